#!/usr/bin/env bash
# Checks the price list of a Worker and compiles the Worker:
#   tools/build.sh             the crate worker/, into build/
#   tools/build.sh EXAMPLE     the crate EXAMPLE, into EXAMPLE/build/
# Compiles in target/ first, so that a failed build leaves build/ as it was.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/lib.sh
crate=${1:-worker}
home=${1:-.}
build=$home/build
staging=$PWD/target/worker/$(basename "$crate")

newer_config() { [ -n "$(find "$home" -maxdepth 1 -name 'wrangler*' -newer "$1")" ]; }

# Prints the process IDs of the parent, its parent, and so on.
ancestors() {
  local pid=$$
  while [ "${pid:-0}" -gt 1 ]; do
    pid=$(ps -o ppid= -p "$pid" | tr -d ' ')
    echo "$pid"
  done
}

check() {
  # `cargo run` without --release uses the profile of `cargo test`, so most crates are compiled once for both. The crates of the client that
  # pays are not needed here.
  for config in "$home"/wrangler*.toml "$home"/wrangler*.json "$home"/wrangler*.jsonc; do
    if [ -f "$config" ]; then
      cargo run --quiet --no-default-features --features cli --bin edgetoll -- check "${config#./}" || return 1
    fi
  done
}

# A build that fails after a change of the Wrangler file would stop `wrangler dev`. So under `wrangler dev`, wait until the mistakes are
# corrected. Until then, Wrangler serves what it served before.
started_by=$(ancestors)
checked=$(mktemp)
trap 'rm -f "$checked"' EXIT
until touch "$checked" && check; do
  [ "${WRANGLER_COMMAND:-}" = dev ] || exit 1
  echo "edgetoll: this change is not served. Correct the mistake and save again. Until then, the previous version is served."
  until newer_config "$checked"; do
    sleep 0.5
    # Wrangler has stopped.
    [ "$(ancestors)" = "$started_by" ] || exit 1
  done
done
# Wrangler loads .dev.vars only together with the Wrangler file.
if [ "${WRANGLER_COMMAND:-}" = dev ] && [ -f "$home/.dev.vars" ] && ! newer_config "$home/.dev.vars"; then
  touch -c "$home/wrangler.toml" "$home/wrangler.json" "$home/wrangler.jsonc"
fi
lock build

# The pages take no time to build, so they are always built. An example serves the pages of the main Worker.
node_modules/.bin/node tools/pages.mjs

sources="$crate/src $crate/Cargo.toml src Cargo.toml Cargo.lock .cargo rust-toolchain.toml package-lock.json tools/build.sh tools/setup.sh"
# shellcheck disable=SC2086
if [ -f "$build/index_bg.wasm" ] && [ -z "$(find $sources -newer "$build/index_bg.wasm" -print -quit)" ]; then
  echo "${build#./}/ is up to date"
  exit 0
fi

bin=$PWD/node_modules/.bin
export PATH=$bin:$PATH
# The standard library is compiled too, so that all of the wasm ends at a panic without a message. Messages need a tenth of the size, and may
# contain a part of a request. Stable Rust accepts these unstable options only with RUSTC_BOOTSTRAP.
smaller="-Zunstable-options -Cpanic=immediate-abort -Zlocation-detail=none -Zfmt-debug=none"
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="$(remap_flags) $smaller"

mkdir -p "$staging" "$build"
touch "$staging.started"
background env RUSTC_BOOTSTRAP=1 cargo build --quiet --profile worker -Z build-std=std,panic_abort --target-dir target --target wasm32-unknown-unknown --manifest-path "$crate/Cargo.toml"
wait "$running"
running=
name=$(sed -n 's/^name = "\(.*\)"/\1/p' "$crate/Cargo.toml" | tr - _)
rm -rf "$staging"
# With these two options, a panic ends only the instance of the wasm: the next request gets a new one.
.tools/bin/wasm-bindgen --target module --out-name index --out-dir "$staging" \
  --experimental-reset-state-function --force-enable-abort-handler "target/wasm32-unknown-unknown/worker/$name.wasm"
# workerd imports a module where the generated code imports its source.
#
# A callback of a crashed instance must not run in the new one, in which its pointers are invalid. The generated code compares the instances
# and only then creates the new one, so here it creates the new one first.
sed -i.before -e 's/^import source wasmModule/import wasmModule/' \
  -e 's/if (state\.instance !== __wbg_instance_id) {/__wbg_call_guard(); &/' "$staging/index.js"
! grep -q 'state\.instance' "$staging/index.js" || grep -q '__wbg_call_guard(); if (state' "$staging/index.js" || { echo "tools/build.sh: the code of wasm-bindgen has changed" >&2; exit 1; }
cp src/edge/entry.js src/edge/nwc_connection.js src/edge/shell.js src/edge/jsconfig.json "$staging/"
# Without the feature `nwc`, there is no Durable Object class for it, and the Worker must not export one.
grep -q NwcConnection "$staging/index.js" || { sed -i.before '/[nN]wcConnection/d' "$staging/entry.js"; rm "$staging/nwc_connection.js"; sed -i.before 's/"nwc_connection.js", //' "$staging/jsconfig.json"; }
# A crate that is not edgetoll has its own entry point.
if [ -f "$crate/src/entry.js" ]; then cp "$crate/src/entry.js" "$staging/"; fi
tsc --project "$staging/jsconfig.json"
esbuild "$staging/entry.js" --bundle --format=esm --minify --external:./index_bg.wasm --external:cloudflare:workers --log-level=warning --outfile="$staging/bundle.js"
# Node 22 and workerd cannot compile some of the newest features.
wasm-opt --all-features --disable-compact-imports --disable-custom-descriptors --strip-debug --strip-producers --strip-target-features \
  -Os --one-caller-inline-max-function-size=0 --converge --low-memory-unused --zero-filled-memory "$staging/index_bg.wasm" -o "$staging.wasm"
cp "$staging/bundle.js" "$build/index.js"
# The wasm file is moved last and gets the time at which the build started: the check above compares the sources with this time.
cp "$staging.wasm" "$build/index_bg.wasm.new"
touch -r "$staging.started" "$build/index_bg.wasm.new"
mv "$build/index_bg.wasm.new" "$build/index_bg.wasm"
echo "${build#./}/: $(cat "$build"/*.wasm "$build"/*.js | gzip -9 | wc -c) bytes compressed"
