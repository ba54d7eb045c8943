#!/bin/sh
# Boots build/vm and shows what the guest prints; succeeds where it ends with `N passed, 0 failed`.
# Without KVM, so that it runs where there is none and the same everywhere; the guest boots in some seconds.
set -eu
cd "$(dirname "$0")/../../build/vm"
timeout 300 qemu-system-x86_64 -accel tcg -m 512 -nodefaults -no-reboot -display none \
  -kernel vmlinuz -initrd initramfs -append "console=ttyS0 quiet panic=-1 loglevel=3" -serial stdio 2>qemu.log </dev/null |
  tr -d '\r' | tee console.log | grep --line-buffered -v -e '^$' -e 'reboot: Power down' || true
grep -q '^[1-9][0-9]* passed, 0 failed$' console.log && exit 0
grep -q ' passed, ' console.log || { echo "the guest did not come to its end" >&2; cat qemu.log >&2; }
exit 1
