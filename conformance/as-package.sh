#!/bin/sh
# The suite as others get it: packed, run by npx from the tarball in an empty folder.
#   as-package.sh DIRECTORY-OF-PLUGINS [OPTION...]
set -eu
bin=$(realpath "$1")
shift
where=$(mktemp -d)
trap 'rm -rf "$where"' EXIT
(cd "$(dirname "$0")" && npm pack --silent --pack-destination "$where")
mkdir "$where/empty"
cd "$where/empty"
# A cache of its own, so that nothing is there that the package does not declare.
npm_config_cache="$where/cache" npx --yes --package "$(ls "$where"/*.tgz)" flatnet-conformance --bin "$bin" "$@"
