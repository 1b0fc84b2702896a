#!/usr/bin/env bash
# Runs each fuzz target for SECONDS_EACH seconds (default 60), starting from a corpus made of the test vectors. Stops at the first
# crash, whose input is in fuzz/artifacts/.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/lib.sh

# The sanitizer flags need a nightly compiler, or this variable with a stable compiler.
export RUSTC_BOOTSTRAP=1 PATH=$PWD/.tools/bin:$PATH
cargo run --quiet --manifest-path fuzz/Cargo.toml --bin corpus --target-dir fuzz/target
for target in header macaroon_standard macaroon_lightning_toll bolt11 path; do
  echo "fuzzing $target"
  background cargo fuzz run "$target" -- -max_total_time="${SECONDS_EACH:-60}" -print_final_stats=1 -verbosity=0
  wait "$running"
  running=
done
echo "no target crashed"
