#!/usr/bin/env bash
# Checks the price lists of a Worker and compiles it into its build/:
#   tools/build.sh             the Worker, from worker/ into build/
#   tools/build.sh EXAMPLE     that of an example, into its own build/
# Everything is made in target/ first, so that build/ changes only when it is whole.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/lib.sh
lock build
crate=${1:-worker}
home=${1:-.}
build=$home/build
staging=$PWD/target/worker/$(basename "$crate")

# With the profile of the tests, so that nothing is compiled for it twice.
for config in "$home"/wrangler*.toml "$home"/wrangler*.json "$home"/wrangler*.jsonc; do
  if [ -f "$config" ]; then cargo run --quiet --bin edgetoll -- check "${config#./}"; fi
done

# What people see is made in no time; an example has no pages.
if [ "$crate" = worker ]; then node_modules/.bin/node tools/pages.mjs; fi

sources="$crate/src $crate/Cargo.toml src Cargo.toml Cargo.lock .cargo rust-toolchain.toml package-lock.json tools/build.sh tools/setup.sh"
# shellcheck disable=SC2086
if [ -f "$build/index_bg.wasm" ] && [ -z "$(find $sources -newer "$build/index_bg.wasm" -print -quit)" ]; then
  echo "${build#./}/ is up to date"
  exit 0
fi

bin=$PWD/node_modules/.bin
# Without these worker-build would download the three.
export WASM_BINDGEN_BIN=$PWD/.tools/bin/wasm-bindgen WASM_OPT_BIN=$bin/wasm-opt ESBUILD_BIN=$bin/esbuild PATH=$bin:$PATH
# The names of this machine's folders stay out of the Worker.
for registry in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/; do
  remap="${remap:-} --remap-path-prefix=$registry="
done
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="${remap:-} --remap-path-prefix=$PWD/="

mkdir -p "$staging" "$build"
touch "$staging.started"
background bash -c 'cd "$1" && exec "$2" --release --out-dir "$3"' - "$crate" "$PWD/.tools/bin/worker-build" "$staging"
wait "$running"
running=
# worker-build keeps the function names, a fifth of the size.
wasm-opt --all-features --strip-debug --strip-producers --strip-target-features -O "$staging/index_bg.wasm" -o "$staging.wasm"
cp -R "$staging/worker" "$staging/index.js" "$build/"
# The wasm comes last, and is as old as what it was made from: until it is there, build/ is not up to date.
cp "$staging.wasm" "$build/index_bg.wasm.new"
touch -r "$staging.started" "$build/index_bg.wasm.new"
mv "$build/index_bg.wasm.new" "$build/index_bg.wasm"
echo "${build#./}/: $(cat "$build"/*.wasm "$build"/*.js | gzip -9 | wc -c) bytes compressed"
