#!/bin/sh
# A machine with /var/lib/cni on a disk, whose power is cut in the middle of ADDs and which is booted again, four
# times: qemu is killed as soon as the guest has reported so many ADDs of its storm, so what its kernel had not written
# yet is lost. What must hold afterwards is in guest/power-cut.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../../build/vm"
disk=power-cut.disk
rm -f $disk power-cut.*.console
truncate -s 64M $disk
PATH=$PATH:/usr/sbin:/sbin mkfs.ext4 -q $disk

# boot LIFE [PARAMETER]
boot() {
  "$here/boot.sh" power-cut 2>/dev/null -append "life=$1 ${2:-}" -pidfile power-cut.pid \
    -drive file=$disk,format=raw,if=virtio -fw_cfg name=opt/former,file=power-cut.former |
    grep --line-buffered -v -e '^adding ' -e '^added ' -e '^removing '
}

# cut_after COUNT: kills qemu when so many ADDs of the storm are done.
cut_after() {
  while [ "$(sed -n '/ passed, /,$p' power-cut.console | grep -c '^added ')" -lt "$1" ]; do
    kill -0 "$booted" 2>/dev/null || { echo "not ok  the machine ended before its power was cut"; return; }
    sleep 0.1
  done
  kill -9 "$(cat power-cut.pid)"
  echo "    the power is cut after $(grep -c '^added ' power-cut.console) ADDs and $(grep -c '^removing ' power-cut.console) DELs"
}

# remember_former LIFE: whom the life before it had begun to add, for its guest.
remember_former() {
  grep "^[a-z]*-$(($1 - 1))-" power-cut.everybody >power-cut.former || true
}

: >power-cut.everybody
life=0
for count in 1 40 5; do
  life=$((life + 1))
  remember_former $life
  rm -f power-cut.pid power-cut.console
  : >power-cut.console
  boot $life &
  booted=$!
  cut_after $count
  wait $booted || true
  sed -n 's/^adding //p' power-cut.console >>power-cut.everybody
  mv power-cut.console power-cut.$life.console
done
remember_former $((life + 1))
boot $((life + 1)) final=yes || true

# What the console saw: no address had two owners in one life, and no ADD failed.
cat power-cut.*.console | awk '
  /^power-cut: / { split("", owner) }
  $1 == "added" { for (i = 3; i <= NF; i++) { if ($i in owner) twice = twice " " $i; owner[$i] = $2 } }
  $1 == "removing" { for (address in owner) if (owner[address] == $2) delete owner[address] }
  $1 == "failed" { failed = failed " " $2 }
  END {
    print (twice == "" ? "  ok      " : "  not ok  ") "no address had two owners" twice
    print (failed == "" ? "  ok      " : "  not ok  ") "no ADD of a storm failed" failed
    print (twice == "") + (failed == "") " passed, " (twice != "") + (failed != "") " failed"
  }'
