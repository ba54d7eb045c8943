#!/bin/sh
# Installs what a step needs and this machine lacks (Debian, as root), or names the line that does.
#   prerequisites.sh build|lint|test|demo|bench|vm
set -eu

missing_tools=""
missing_packages=""

# need COMMAND PACKAGE
need() {
  PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1 && return 0
  missing_tools="$missing_tools $1"
  missing_packages="$missing_packages $2"
}

# need_file PATH PACKAGE
need_file() {
  [ -e "$1" ] && return 0
  missing_tools="$missing_tools $1"
  missing_packages="$missing_packages $2"
}

case "$1" in
  build)
    need node nodejs
    need npm npm
    need cargo cargo
    need cc gcc
    ;;
  lint)
    need cargo-clippy rust-clippy
    need rustfmt rustfmt
    ;;
  demo)
    need ip iproute2
    need nsenter util-linux
    need nft nftables
    need ping iputils-ping
    ;;
  vm)
    need ip iproute2
    need busybox busybox-static
    need qemu-system-x86_64 qemu-system-x86
    need nft nftables
    need conntrack conntrack
    need cc gcc
    need_file /usr/include/stdio.h libc6-dev
    need mkfs.ext4 e2fsprogs
    ;;
  test | bench)
    need ip iproute2
    need nsenter util-linux
    need strace strace
    need nft nftables
    need tcpdump tcpdump
    need ping iputils-ping
    need conntrack conntrack
    need iptables iptables
    need ethtool ethtool
    need_file /usr/lib/cni/bridge containernetworking-plugins
    ;;
esac
[ "$1" = bench ] && { need cc gcc; need iperf3 iperf3; need_file /usr/include/stdio.h libc6-dev; }

[ -z "$missing_packages" ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "installing:$missing_packages" >&2
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086
  apt-get install -y -qq --no-install-recommends $missing_packages >/dev/null 2>&1 ||
    { apt-get update -qq >/dev/null && apt-get install -y -qq --no-install-recommends $missing_packages >/dev/null; }
  exit 0
fi
echo "missing:$missing_tools" >&2
echo "on Debian or Ubuntu: sudo apt-get install$missing_packages" >&2
exit 1
