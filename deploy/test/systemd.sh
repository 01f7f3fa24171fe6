#!/usr/bin/env bash
# Lets systemd verify the unit, and says how exposed the service is; skipped, and says so, where there is no systemd-analyze.
set -euo pipefail
unit="$(dirname "${BASH_SOURCE[0]}")/../systemd/longshore.service"
if ! command -v systemd-analyze >/dev/null; then
  echo "skipped: the unit of systemd (no systemd-analyze)"
  exit 0
fi
directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
# The program is not installed here, and its place is checked, too.
sed 's|^ExecStart=[^ ]*|ExecStart=/bin/true|' "$unit" >"$directory/longshore.service"
# It complains about other units of the machine as well, and exits with 0 about an unknown key.
complaints="$(systemd-analyze verify "$directory/longshore.service" 2>&1 | grep -F longshore.service || true)"
if [[ -n "$complaints" ]]; then
  echo "$complaints" >&2
  exit 1
fi
systemd-analyze security --offline=true --threshold=25 --no-pager "$directory/longshore.service" | tail -1
