#!/bin/sh
# Installs one executable and a hard link for each plugin, safely while a runtime executes the old ones:
# each name changes from one whole file to another in a single rename.
#   install.sh EXECUTABLE DIRECTORY NAME...
set -eu
executable=$1
directory=$2
shift 2

mkdir -p "$directory"
# One copy under a name that nobody else uses, on disk before any plugin points at it.
copy=$(mktemp "$directory/.flatnet.XXXXXXXX")
trap 'rm -f "$copy" "$directory"/.flatnet-link.$$.*' EXIT
cat "$executable" >"$copy"
chmod 0755 "$copy"
sync "$copy"
# What was copied is what was built: one bit that a disk or memory turned would be found by no start.
"$copy" verify >/dev/null || { echo "not installed: $executable is damaged; build it again (make clean build)" >&2; exit 1; }
for name in "$@" flatnet; do
  ln "$copy" "$directory/.flatnet-link.$$.$name"
  mv -f "$directory/.flatnet-link.$$.$name" "$directory/$name"
done
sync "$directory"
echo "installed in $directory: $* flatnet"
