# Each target installs what it needs into .tools/ and node_modules/, at pinned versions.
.DEFAULT_GOAL := help
.PHONY: help dev example build test release repeat soak bench lint spelling screenshots fuzz deploy clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

dev: export WALLET := $(WALLET)
dev: ## run the paywall here, with a wallet and a demo origin to try it: make dev PORT=8787 WALLET=nwc
	@tools/setup.sh worker lnbits
	@tools/build.sh
	@exec node_modules/.bin/node tools/dev.mjs

example: ## run the Worker of examples/price-by-code in the same way
	@tools/setup.sh worker lnbits
	@tools/build.sh
	@tools/build.sh examples/price-by-code
	@exec node_modules/.bin/node tools/dev.mjs examples/price-by-code

build: ## compile the Worker into build/
	@tools/setup.sh worker
	@tools/build.sh

test: export EDGETOLL_FULL := $(FULL)
test: export WALLET := $(WALLET)
test: ## run all tests, native and end to end with the real Worker and LNbits; FULL=1 runs more random cases, WALLET=nwc replaces LNbits
	@tools/setup.sh worker release lint spelling lnbits peers browser
	@tools/build.sh
	@tools/build.sh examples/price-by-code
	@tools/release.sh
	@exec node_modules/.bin/node tools/test.mjs

release: ## make the npm package, an archive of the Worker, lists of components (SBOM) and checksums, in dist/
	@tools/setup.sh worker release
	@tools/build.sh
	@tools/release.sh

repeat: ## repeat end-to-end tests, to find unstable ones: make repeat ONLY=free_tier N=20
	@tools/setup.sh worker release lnbits peers browser
	@tools/build.sh
	@tools/release.sh
	@REPEAT=$(or $(N),20) ONLY=$(or $(ONLY),free_tier) exec node_modules/.bin/node tools/test.mjs

soak: export SOAK_SECONDS := $(SOAK_SECONDS)
soak: export ONLY := $(ONLY)
soak: ## send traffic of all kinds for 5 minutes, while LNbits, the origin, KV, Durable Objects and the clock fail in turn; SOAK_SECONDS=60, ONLY=Ledger
	@tools/setup.sh worker lnbits
	@tools/build.sh
	@exec node_modules/.bin/node tools/soak.mjs

bench: export QUICK := $(QUICK)
bench: ## measure CPU time, memory, size and start of the Worker, its core and its ledger, into benches/RESULTS.md; QUICK=1 only prints the main table
	@tools/setup.sh worker lnbits lightning_toll
	@tools/build.sh
	@tools/build.sh benches/workers/rust-pass
	@[ -n "$(QUICK)" ] || cargo bench --quiet --package edgetoll-benches --bench core -- --quiet
	@node_modules/.bin/node benches/main.mjs
	@[ -n "$(QUICK)" ] || cargo bench --quiet --package edgetoll-benches --bench head

lint: spelling ## check formatting, clippy (native, wasm and WASI), spelling, and that the fuzz targets compile
	@tools/setup.sh worker release lint
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets -- -D warnings
	cargo clippy --quiet --workspace --lib --target wasm32-unknown-unknown -- -D warnings
	cargo clippy --quiet --no-default-features --features cli,nwc --target wasm32-wasip1 -- -D warnings
	@# With this variable, libFuzzer is not compiled: that needs a C++ compiler.
	CUSTOM_LIBFUZZER_PATH=/none/libfuzzer.a cargo check --quiet --locked --manifest-path fuzz/Cargo.toml --bins --target-dir target

spelling: ## check only the spelling; tools/spelling-ignore.txt lists exceptions
	@tools/setup.sh spelling
	.tools/codespell/bin/codespell --ignore-words tools/spelling-ignore.txt --skip '*/vectors/*.json,*.lock,*-requirements.txt,*.png,*/build,*/target,fuzz/corpus,fuzz/seeds,fuzz/artifacts' \
	  benches demo docs examples fuzz npm ops src tests tools worker www $(wildcard *.md *.toml) Makefile package.json

screenshots: ## take the screenshots in docs/images/
	@tools/setup.sh worker lnbits browser
	@tools/build.sh
	@exec node_modules/.bin/node tools/screenshots.mjs

fuzz: ## run each fuzz target (parsers of untrusted input) for a minute
	@tools/setup.sh fuzz
	@tools/fuzz.sh

deploy: ## deploy the Worker to your Cloudflare account, and try it: make deploy ENV=staging DRY_RUN=1
	@tools/setup.sh worker
	@cargo run --quiet --bin edgetoll -- deploy $(if $(ENV),--env $(ENV)) $(if $(DRY_RUN),--dry-run)

clean: ## remove everything that was built or installed
	rm -rf build dist target node_modules .tools .wrangler fuzz/target fuzz/corpus fuzz/artifacts
