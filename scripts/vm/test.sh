#!/bin/sh
# Boots the machines of guest/, two at a time, and closes with `N passed, N failed` of them all.
#   test.sh [MACHINE...]
set -eu
cd "$(dirname "$0")/../.."
[ $# -gt 0 ] || set -- suite power-cut stock ipv6-off

# run MACHINE: prints claims, and `N passed, N failed` for each boot.
run() {
  case $1 in
    ipv6-off) scripts/vm/boot.sh "$1" -append ipv6.disable=1 ;;
    power-cut) scripts/vm/power-cut.sh ;;
    suite)
      scripts/vm/boot.sh suite -append "folder=$PWD" -m 2048 -device virtio-9p-pci,fsdev=root,mount_tag=root \
        -fsdev local,id=root,path=/,security_model=none,readonly=on,multidevs=remap
      ;;
    *) scripts/vm/boot.sh "$1" ;;
  esac
}

# In a process of its own, so that xargs can start it: one machine, told of when it is at its end.
if [ "${MACHINE:-}" = one ]; then
  log=build/vm/$1.log
  started=$(date +%s)
  run "$1" >"$log" 2>&1 || grep -q ' [1-9][0-9]* failed$' "$log" || echo '0 passed, 1 failed' >>"$log"
  cat "$log"
  # Of the processes that have ended, which are all of its own.
  times >"$log.times"
  printf '%s took %s s; processor time, user and system: %s\n\n' "$1" "$(($(date +%s) - started))" "$(tail -n 1 "$log.times")"
  exit 0
fi

for machine in "$@"; do rm -f "build/vm/$machine.log"; done
printf '%s\n' "$@" | MACHINE=one xargs -P 2 -n 1 "$0"
cd build/vm
for machine in "$@"; do cat "$machine.log"; done |
  awk '/^[0-9]+ passed, [0-9]+ failed$/ { passed += $1; failed += $3 }
    END { print passed " passed, " failed " failed"; exit !(passed > 0 && failed == 0) }'
