#!/bin/sh
# docs/conformance.md from runs on ours, on the reference plugins v1.9.1 (where Go can build them), and on Debian's.
set -eu
tool=build/js/conformance
out=build/conformance
page=docs/conformance.md
mkdir -p "$out"
plugins=bridge,host-local,loopback,portmap,bandwidth,firewall
node -e "import('./build/js/lib/testing/reference.js').then((it) => it.installReference())"
run() { # NAME DIRECTORY OPTION...
  [ -x "$2/bridge" ] || return 0
  node $tool/main.js --bin "$2" --report "$out/$1.json" $3 >"$out/$1.tap" || echo "$1: something fails, see $out/$1.tap"
  set -- "$1"
  columns="$columns $1=$out/$1.json"
}
columns=
run flatnet bin --strict
run v1.9.1 build/reference/v1.9.1 "--plugin $plugins --waivers reference"
run Debian-1.1.1 /usr/lib/cni "--plugin $plugins --waivers reference-1.1.1"
sed '/^<!-- made by/q' "$page" >"$out/page.md"
node $tool/scorecard.js $columns >>"$out/page.md"
mv "$out/page.md" "$page"
