# Every target installs what it needs, at pinned versions, below this folder.
.DEFAULT_GOAL := help
.PHONY: help dev build test repeat bench lint fuzz deploy clean

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

dev: ## the paywall on this machine, with a wallet and an origin to try it on
	@tools/setup.sh worker lnbits
	@tools/build.sh
	@exec node_modules/.bin/node tools/dev.mjs

build: ## the Worker, into build/
	@tools/setup.sh worker
	@tools/build.sh

test: ## all tests: native, and end to end against the real Worker and LNbits
	@tools/setup.sh worker lint lnbits peers browser
	@tools/build.sh
	@tools/build.sh examples/price-by-code
	@exec node_modules/.bin/node tools/test.mjs

repeat: ## the end-to-end tests of ONLY=free_tier, again and again: make repeat N=20
	@tools/setup.sh worker lnbits peers browser
	@tools/build.sh
	@REPEAT=$(or $(N),20) ONLY=$(or $(ONLY),free_tier) exec node_modules/.bin/node tools/test.mjs

bench: ## how many payments a second the books take, beside what LNbits makes
	@tools/setup.sh worker lnbits
	@tools/build.sh
	@exec node_modules/.bin/node benches/ledger.mjs

lint: ## formatting and clippy, native and wasm
	@tools/setup.sh worker lint
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets -- -D warnings
	cargo clippy --quiet --workspace --lib --target wasm32-unknown-unknown -- -D warnings

fuzz: ## every parser, with random input for a minute each
	@tools/setup.sh fuzz
	@tools/fuzz.sh

deploy: ## the Worker, onto your Cloudflare account
	@tools/setup.sh worker
	@exec node_modules/.bin/node node_modules/wrangler/bin/wrangler.js deploy

clean: ## removes what was built and installed
	rm -rf build target node_modules .tools .wrangler fuzz/target fuzz/corpus fuzz/artifacts
