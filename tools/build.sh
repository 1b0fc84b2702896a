#!/usr/bin/env bash
# Checks the price list and compiles the Worker into build/. Everything is made in target/worker first, so that build/ changes only when it is whole.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/lib.sh
lock build

# With the profile of the tests, so that nothing is compiled for it twice.
for config in wrangler*.toml wrangler*.json wrangler*.jsonc; do
  if [ -f "$config" ]; then cargo run --quiet --bin edgetoll -- check "$config"; fi
done

sources="src Cargo.toml Cargo.lock .cargo rust-toolchain.toml package-lock.json tools/build.sh tools/setup.sh"
# shellcheck disable=SC2086
if [ -f build/index_bg.wasm ] && [ -z "$(find $sources -newer build/index_bg.wasm -print -quit)" ]; then
  echo "build/ is up to date"
  exit 0
fi

bin=$PWD/node_modules/.bin
# Without these worker-build would download the three.
export WASM_BINDGEN_BIN=$PWD/.tools/bin/wasm-bindgen WASM_OPT_BIN=$bin/wasm-opt ESBUILD_BIN=$bin/esbuild PATH=$bin:$PATH
# The names of this machine's folders stay out of the Worker.
for sources in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/; do
  remap="${remap:-} --remap-path-prefix=$sources="
done
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="${remap:-} --remap-path-prefix=$PWD/="

mkdir -p target build
touch target/worker.started
background .tools/bin/worker-build --release --out-dir target/worker
wait "$running"
running=
# worker-build keeps the function names, a fifth of the size.
wasm-opt --all-features --strip-debug --strip-producers --strip-target-features -O target/worker/index_bg.wasm -o target/worker.wasm
cp -R target/worker/worker target/worker/index.js build/
# The wasm comes last, and is as old as what it was made from: until it is there, build/ is not up to date.
cp target/worker.wasm build/index_bg.wasm.new
touch -r target/worker.started build/index_bg.wasm.new
mv build/index_bg.wasm.new build/index_bg.wasm
echo "build/: $(cat build/*.wasm build/*.js | gzip -9 | wc -c) bytes compressed"
