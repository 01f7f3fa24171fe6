#!/usr/bin/env bash
# Runs fuzz targets under libFuzzer, each for some seconds: tests/fuzz/run.sh SECONDS [TARGET…]; all of them without a name.
#
# What it learns is kept under target/fuzz/; an input that breaks a target belongs into the target's seeds, with the mend.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
seconds=${1:?seconds for each target}
shift
out=${CARGO_TARGET_DIR:-target}/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')
# What cargo-fuzz sets; the flags are stable, and no sanitizer is needed where no code is unsafe.
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
coverage="$coverage -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
# The versions of the workspace.
cp Cargo.lock tests/fuzz/libfuzzer/Cargo.lock
RUSTFLAGS="--cfg fuzzing $coverage" cargo build --release --quiet --target "$host" \
  --manifest-path tests/fuzz/libfuzzer/Cargo.toml --target-dir "$out/build"
program=$out/build/$host/release/longshore-fuzz

[ $# -gt 0 ] || mapfile -t names < <("$program" -runs=0 -artifact_prefix="$out/names-" 2>/dev/null || true)
failed=()
for name in "${@:-${names[@]}}"; do
  seeds=tests/fuzz/seeds/$name
  [ -d "$seeds" ] || seeds=emulator/tests/fuzz/seeds/$name
  mkdir -p "$out/corpus/$name"
  echo "fuzz: $name for $seconds s"
  LONGSHORE_FUZZ=$name "$program" "$out/corpus/$name" "$seeds" -max_total_time="$seconds" -max_len=4096 -timeout=10 \
    -rss_limit_mb=1024 -artifact_prefix="$out/$name-" >"$out/$name.log" 2>&1 ||
    { failed+=("$name"); tail -n 30 "$out/$name.log"; }
  grep -E 'DONE|Done' "$out/$name.log" || true
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "error: an input breaks ${failed[*]}, hint: $out has it" >&2
  exit 1
fi
