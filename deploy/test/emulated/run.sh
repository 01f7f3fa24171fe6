#!/usr/bin/env bash
# Runs a command, or else the tests of this folder, with an emulator of AWS: LONGSHORE_EMULATOR where that is given, else a
# LocalStack of its own, which needs Python 3.13; where there is none it says that it was skipped.
#
#   run.sh FOLDER [COMMAND…]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=$1 # what is installed stays here, and is used again
shift

skip() { echo "skipped: the deployment to an emulator ($1)"; exit 0; }

python() { # the Python to use: LocalStack 4.14 runs on 3.13
  for candidate in ${PYTHON:-} python3.13 "$HOME"/.pyenv/versions/3.13*/bin/python3; do
    "$candidate" -c 'import sys, venv; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null && echo "$candidate" && return
  done
  return 1
}

install() {
  local ready=$target/venv/of-these
  cmp --silent "$here/requirements.txt" "$ready" && return
  rm -rf "$target/venv" && "$1" -m venv "$target/venv" && "$target/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    --no-deps --requirement "$here/requirements.txt" 2>"$target/pip.log" && cp "$here/requirements.txt" "$ready"
}

start() { # a LocalStack on a free port; it ends with this script
  local port volume
  port=$("$1" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  volume=$(mktemp -d)
  "$target/venv/bin/python" "$here/start_localstack.py" "$port" "$volume" >"$target/localstack.log" 2>&1 &
  emulator=$!
  # shellcheck disable=SC2064 # as they are now
  trap "kill $emulator 2>/dev/null; wait $emulator 2>/dev/null; rm -rf '$volume'" EXIT
  export LONGSHORE_LOCALSTACK_PYTHON=$target/venv/bin/python LONGSHORE_EMULATOR=http://127.0.0.1:$port
  for _ in $(seq 600); do
    curl --silent --fail --output /dev/null "$LONGSHORE_EMULATOR/_localstack/health" && return
    kill -0 "$emulator" 2>/dev/null || break
    sleep 0.1
  done
  echo "error: LocalStack does not start: $target/localstack.log" >&2
  exit 1
}

if [ -z "${LONGSHORE_EMULATOR:-}" ]; then
  mkdir -p "$target"
  found=$(python) || skip "no Python 3.13 for LocalStack; name one with PYTHON, or an emulator with LONGSHORE_EMULATOR"
  install "$found" || skip "LocalStack does not install: $target/pip.log"
  start "$found"
fi
if [ $# -gt 0 ]; then "$@"; else node --test "$here"/../../build/test/emulated/*.test.js; fi
