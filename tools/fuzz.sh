#!/usr/bin/env bash
# Runs each fuzz target for a while (SECONDS_EACH, 60), from a corpus made of the vectors. A crash ends it and is kept in
# fuzz/artifacts/.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/lib.sh

# The sanitizers' flags are nightly's by name only.
export RUSTC_BOOTSTRAP=1 PATH=$PWD/.tools/bin:$PATH
cargo run --quiet --manifest-path fuzz/Cargo.toml --bin corpus --target-dir fuzz/target
for target in header macaroon_standard macaroon_lightning_toll bolt11 path; do
  echo "fuzzing $target"
  background cargo fuzz run "$target" -- -max_total_time="${SECONDS_EACH:-60}" -print_final_stats=1 -verbosity=0
  wait "$running"
  running=
done
echo "no target crashed"
