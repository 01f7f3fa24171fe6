#!/bin/sh
# Keeps each message in a compressed file of its own, under its tenant.
#
# Exits with 0 when that is done, with 65 when it never will be, and with 75 when it may be later.
set -eu

archive=${ARCHIVE:-archive}
if [ ! -d "$archive" ]; then
    echo "there is no directory for the archive: $archive" >&2
    exit 75
fi

tenant=${LONGSHORE_ATTRIBUTE_TENANT:-}
case $tenant in
'' | *[!a-z0-9-]*)
    echo "the attribute tenant is missing, or not made of a-z, 0-9 and -" >&2
    exit 65
    ;;
esac

# The message may come again, with the same id, and is then written to the same file. Moved there whole, it is
# never half a file, even if this program is killed.
mkdir -p "$archive/$tenant"
file=$archive/$tenant/$LONGSHORE_MESSAGE_ID.gz
trap 'rm -f "$file.part"' EXIT
trap 'exit 75' TERM
gzip >"$file.part"
mv "$file.part" "$file"
echo "archived for $tenant"
