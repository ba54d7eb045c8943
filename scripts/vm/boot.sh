#!/bin/sh
# Boots the guest once as MACHINE, a folder of guest/, and shows what it prints; succeeds where that ends with
# `N passed, 0 failed`. Without KVM, so that it runs where there is none and the same everywhere.
#   boot.sh MACHINE [-append "kernel parameters"] [qemu options]
set -eu
machine=$1
shift
parameters=""
[ "${1:-}" = -append ] && { parameters=$2; shift 2; }
cd "$(dirname "$0")/../../build/vm"
console=$machine.console
timeout 540 qemu-system-x86_64 -accel tcg -m 512 -nodefaults -no-reboot -display none \
  -kernel vmlinuz -initrd initramfs -append "console=ttyS0 quiet panic=-1 loglevel=3 machine=$machine $parameters" \
  -serial stdio "$@" 2>"$machine.qemu" </dev/null |
  sed -u 's/\r$//' | tee "$console" | grep --line-buffered -v -e '^$' -e 'reboot: Power down' || true
grep -q '^[1-9][0-9]* passed, 0 failed$' "$console" && exit 0
grep -q ' passed, ' "$console" || { echo "$machine did not come to its end" >&2; cat "$machine.qemu" >&2; }
exit 1
