#!/usr/bin/env bash
# Compiles the Worker into build/. Everything is made in target/worker first, so that build/ changes only when it is whole.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/lib.sh
lock build

if [ -f build/index_bg.wasm ] && [ -z "$(find src Cargo.toml Cargo.lock rust-toolchain.toml tools/build.sh -newer build/index_bg.wasm -print -quit)" ]; then
  echo "build/ is up to date"
  exit 0
fi

bin=$PWD/node_modules/.bin
# Without these worker-build would download the three.
export WASM_BINDGEN_BIN=$PWD/.tools/bin/wasm-bindgen WASM_OPT_BIN=$bin/wasm-opt ESBUILD_BIN=$bin/esbuild PATH=$bin:$PATH
background .tools/bin/worker-build --release --out-dir target/worker
wait "$running"
running=
# worker-build keeps the function names, a fifth of the size.
wasm-opt --all-features --strip-debug -O target/worker/index_bg.wasm -o target/worker/stripped.wasm
mkdir -p build
cp -R target/worker/. build/
mv build/stripped.wasm build/index_bg.wasm
echo "build/: $(gzip -9c build/*.wasm build/*.js | wc -c) bytes compressed"
