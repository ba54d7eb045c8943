#!/bin/sh
# Brings what the real callers need: Debian's packages (as root), and programs from their Go modules into
# build/runtimes, where nothing is built twice.
set -eu
cd "$(dirname "$0")/../.."
out=$PWD/build/runtimes
mkdir -p "$out/bin" "$out/reference"

missing=""
need() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || missing="$missing $2"; }
need ip iproute2
need nft nftables
need ping iputils-ping
need nsenter util-linux
need busybox busybox-static
need iptables iptables # the reference's portmap runs it
need containerd containerd
need runc runc
if [ -n "$missing" ]; then
  [ "$(id -u)" = 0 ] || { echo "as root: apt-get install$missing" >&2; exit 1; }
  echo "installing:$missing" >&2
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086
  apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 ||
    { apt-get update -qq >/dev/null && apt-get install -y -qq --no-install-recommends $missing >/dev/null; }
fi
command -v go >/dev/null 2>&1 || { echo "Go 1.26 or later is needed: https://go.dev/dl" >&2; exit 1; }

# install TARGET_DIRECTORY PACKAGE@VERSION...
install() {
  into=$1
  shift
  for package in "$@"; do
    name=${package%@*}
    [ -x "$into/${name##*/}" ] && continue
    echo "building: $package" >&2
    GOBIN=$into go install "$package"
  done
}

cni=github.com/containernetworking/plugins/plugins
install "$out/bin" github.com/containernetworking/cni/cnitool@latest
for plugin in main/bridge main/loopback ipam/host-local meta/portmap; do
  install "$out/reference" "$cni/$plugin@v1.9.1"
done

# multus NAME VERSION: `go install` would ask for the list of all versions as well, which not every proxy has.
multus() {
  [ -x "$out/bin/$1" ] && return
  module=gopkg.in/k8snetworkplumbingwg/multus-cni.v4
  echo "building: $module@$2" >&2
  mkdir -p "$out/$1"
  printf 'module build\n\ngo 1.24\n\nrequire %s %s\n' "$module" "$2" >"$out/$1/go.mod"
  (cd "$out/$1" && go build -mod=mod -o "$out/bin/$1" "$module/cmd/multus")
}
multus multus v4.3.0
multus multus-4.2.0 v4.2.0

(cd conformance/runtimes/go && go build -o "$out/bin/" ./libcni ./cri)
[ -x "$out/bin/flannel" ] || (cd conformance/runtimes/go/flannel && CGO_ENABLED=0 go build -o "$out/bin/" .)
