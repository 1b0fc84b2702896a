#!/usr/bin/env bash
# Makes the release in dist/: the npm package, an archive of the Worker, a list of its components (SBOM), and the checksums. Needs build/, which
# tools/build.sh makes. Compiles the command `edgetoll` to WebAssembly for Node.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/lib.sh
lock build
export PATH=$PWD/node_modules/.bin:$PATH
command=target/wasm32-wasip1/worker/edgetoll.wasm

export CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS="$(remap_flags) --cfg=cpubits=\"32\" -Clink-arg=-zstack-size=33554432"
background cargo build --quiet --profile worker --target-dir target --target wasm32-wasip1 --no-default-features --features cli,nwc --bin edgetoll
wait "$running"
# Node 22 cannot compile some of the newest features.
wasm-opt --all-features --disable-compact-imports --disable-custom-descriptors --strip-debug --strip-producers --strip-target-features \
  -Oz "$command" -o target/edgetoll.wasm
node tools/release.mjs
