#!/bin/sh
# Makes build/vm/vmlinuz and build/vm/initramfs: Debian's stock kernel, fetched and unpacked but not
# installed, and a root file system of busybox, iproute2, nft, conntrack, the modules the tests load and the built
# executables.
set -eu
cd "$(dirname "$0")/../.."
vm=$PWD/build/vm
root=$vm/root

# Modules the guest may load; what they depend on comes along.
modules="crc32c_generic bridge br_netfilter 8021q veth vxlan ifb dummy af_packet sctp nf_conntrack_netlink
  nf_tables nft_chain_nat nft_masq nft_nat nft_ct nft_redir nft_fib_inet nft_meta_bridge nft_reject_inet nft_limit
  nft_compat xt_comment xt_conntrack virtio_pci virtio_blk ext4 qemu_fw_cfg
  9pnet_virtio 9p overlay
  sch_tbf sch_htb sch_ingress sch_fq_codel sch_netem cls_matchall cls_u32 cls_flower act_mirred act_police"

kernel_package() {
  apt-cache depends linux-image-"$(dpkg --print-architecture)" | sed -n 's/.*Depends: \(linux-image-.*\)/\1/p' | head -n 1
}

# download: the package, here. What apt knows of an archive may be older than the archive.
download() {
  apt-get download -qq -o APT::Sandbox::User=root "$package" && return
  [ "$(id -u)" = 0 ] && apt-get update -qq && apt-get download -qq -o APT::Sandbox::User=root "$(kernel_package)"
}

fetch_kernel() {
  package=$(kernel_package)
  if [ -z "$package" ] && [ "$(id -u)" = 0 ]; then
    apt-get update -qq
    package=$(kernel_package)
  fi
  [ -n "$package" ] || { echo "apt knows no linux-image: sudo apt-get update" >&2; exit 1; }
  [ "$(cat "$vm/kernel/package" 2>/dev/null)" = "$package" ] && return
  echo "fetching $package" >&2
  rm -rf "$vm/kernel"
  mkdir -p "$vm/kernel"
  (cd "$vm/kernel" && download && dpkg-deb -x ./*.deb . && rm ./*.deb)
  for release in "$vm"/kernel/lib/modules/*; do
    busybox depmod -b "$vm/kernel" "${release##*/}" 2>/dev/null
  done
  echo "$package" >"$vm/kernel/package"
}

# add_modules RELEASE: those named above and what they need, as modules.dep has them.
add_modules() {
  from=$vm/kernel/lib/modules/$1
  to=$root/lib/modules/$1
  mkdir -p "$to"
  for module in $modules; do
    sed -n "s|^\([^:]*/$module\.ko[^:]*\):\(.*\)|\1\2|p" "$from/modules.dep"
  done | tr ' ' '\n' | sort -u | while read -r path; do
    mkdir -p "$to/$(dirname "$path")"
    cp "$from/$path" "$to/$path"
  done
  busybox depmod -b "$root" "$1"
}

# add_program PATH FOLDER: with the libraries it is linked with, if any.
add_program() {
  mkdir -p "$root/$2"
  cp -L "$1" "$root/$2/"
  ldd "$1" 2>/dev/null | sed -n 's|^[^/]*\(/[^ ]*\) (0x.*|\1|p' | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
  done
}

mkdir -p "$vm"
fetch_kernel
node build/js/scripts/vm/pack-driver.js build/js/lib/testing/netlink-driver.js "$vm/packed"
rm -rf "$root"
mkdir -p "$root/bin" "$root/dev" "$root/proc" "$root/sys" "$root/run" "$root/tmp" "$root/var/lib" "$root/opt/cni"
add_program "$(command -v busybox)" bin
for program in ip bridge tc nft conntrack; do
  add_program "$(PATH=$PATH:/usr/sbin:/sbin command -v $program)" usr/sbin
done
cc -static -Os -Wall -Wextra -Werror -o "$root/usr/sbin/sctp" scripts/vm/sctp.c
for release in "$vm"/kernel/lib/modules/*; do
  add_modules "${release##*/}"
done
cp -a bin "$root/opt/cni/"
cp -r scripts/vm/guest "$root/guest"
ln -s guest/init "$root/init"
cp "$vm"/kernel/boot/vmlinuz-* "$vm/vmlinuz"
(cd "$root" && find . | busybox cpio -o -H newc -R 0:0 2>/dev/null) >"$vm/initramfs"
