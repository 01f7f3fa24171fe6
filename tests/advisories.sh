#!/usr/bin/env bash
# Checks the dependencies against RustSec's advisories by the cargo-deny that is named; says "skipped" where their database cannot
# be reached. LONGSHORE_ADVISORIES names another Git repository with a copy of it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
original=https://github.com/RustSec/advisory-db
database=${LONGSHORE_ADVISORIES:-$original}

export GIT_TERMINAL_PROMPT=0
if ! timeout 60 git ls-remote --exit-code "$database" HEAD >/dev/null 2>&1; then
  echo "skipped: advisories, their database cannot be reached (hint: LONGSHORE_ADVISORIES=<a git repository with a copy>)"
  exit 0
fi
# Git itself fetches, and from the copy where one is named.
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0="url.$database.insteadOf" GIT_CONFIG_VALUE_0=$original
"$1" --locked check --hide-inclusion-graph advisories
