#!/usr/bin/env bash
# Runs each fuzz target for SECONDS_EACH seconds (default 60), starting from the test vectors and from fuzz/seeds/. Stops at the first
# crash, whose input is in fuzz/artifacts/.
#   TARGET=name  runs only this target
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/lib.sh

# The sanitizer flags need a nightly compiler, or this variable with a stable compiler.
export RUSTC_BOOTSTRAP=1 PATH=$PWD/.tools/bin:$PATH
cargo run --quiet --locked --manifest-path fuzz/Cargo.toml --bin corpus --target-dir fuzz/target
for target in fuzz/fuzz_targets/${TARGET:-*}.rs; do
  target=$(basename "$target" .rs)
  echo "fuzzing $target"
  mkdir -p "fuzz/corpus/$target"
  background cargo fuzz run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
    -max_total_time="${SECONDS_EACH:-60}" -max_len=4096 -print_final_stats=1 -verbosity=0
  wait "$running"
  running=
done
echo "no target crashed"
