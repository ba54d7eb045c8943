#!/bin/sh
# Boots the guest once as MACHINE, a folder of guest/, and shows what it prints; succeeds where that ends with
# `N passed, 0 failed`. Without KVM, so that it runs where there is none and the same everywhere.
#   boot.sh MACHINE [-append "kernel parameters"] [qemu options]
set -eu
machine=$1
shift
parameters=""
[ "${1:-}" = -append ] && { parameters=$2; shift 2; }
# Seconds. On two idle processors no boot needs 180: the rest is for a machine that has other work, too.
limit=900
cd "$(dirname "$0")/../../build/vm"
console=$machine.console
status=$machine.status
{
  timeout "$limit" qemu-system-x86_64 -accel tcg -m 512 -nodefaults -no-reboot -display none \
    -kernel vmlinuz -initrd initramfs -append "console=ttyS0 quiet panic=-1 loglevel=3 machine=$machine $parameters" \
    -serial stdio "$@" 2>"$machine.qemu" </dev/null && echo 0 >"$status" || echo $? >"$status"
} | sed -u 's/\r$//' | tee "$console" | grep --line-buffered -v -e '^$' -e '^> ' -e 'reboot: Power down' || true
grep -q '^[1-9][0-9]* passed, 0 failed$' "$console" && exit 0
grep -q ' passed, ' "$console" && exit 1
case $(cat "$status") in
  124) why="was not at its end after $limit s" ;;
  *) why="ended too early, qemu with status $(cat "$status")" ;;
esac
last=$(sed -n 's/^> //p' "$console" | tail -n 1)
echo "not ok  $machine $why; the last step it began, by the seconds since its boot: ${last:-none}"
echo 'the end of what it printed:'
tail -n 5 "$console"
cat "$machine.qemu"
exit 1
