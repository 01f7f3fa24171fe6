#!/usr/bin/env bash
# Writes the present digests of the base images into a Dockerfile: `ARG …_IMAGE=name:tag` becomes `name:tag@sha256:…`, where the
# digest decides and the tag says what it is of.
set -euo pipefail
file=${1:?the Dockerfile}

while IFS='=' read -r argument image; do
  tagged=${image%@*}
  if ! digest=$(docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$tagged"); then
    echo "error: no digest of $tagged, hint: its registry must be reachable" >&2
    exit 1
  fi
  sed -i "s|^$argument=.*|$argument=$tagged@$digest|" "$file"
  echo "$tagged is pinned to $digest"
done < <(grep -E '^ARG [A-Z]+_IMAGE=.' "$file")
