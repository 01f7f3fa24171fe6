#!/usr/bin/env bash
# Checks that the library compiles with no feature, with each alone and with all, and that its minimum stays small.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
most=210
features=$(sed -n '/^\[features\]/,/^\[dep/s/^\([a-z]*\) = .*/\1/p' Cargo.toml | grep -vx -e default -e cli)

crates() {
  cargo tree --locked --package longshore --edges normal --prefix none "$@" | sed 's/ (.*//' | sort -u | wc -l
}

# Fails on an error and on a warning.
check() {
  echo "features: ${*:-none}"
  local output
  output=$(cargo check --quiet --locked --lib --package longshore --no-default-features "${@:+--features=$*}" 2>&1) || true
  if [ -n "$output" ]; then
    echo "$output"
    return 1
  fi
}

check
for feature in $features; do check "$feature"; done
check cli
count=$(crates --no-default-features)
echo "crates of the library without features: $count, at most $most"
[ "$count" -le "$most" ]
if [ "${1:-}" = --table ]; then
  for feature in $features cli; do echo "$feature: +$(($(crates --no-default-features --features "$feature") - count))"; done
fi
