# Node, the conformance suite and namespace tests, on the files of the machine that runs make: its root file system over
# 9p, read-only, with what is written kept in memory. Kernel parameters: `folder` is the repository there.

modprobe -a virtio_pci 9pnet_virtio 9p overlay
mkdir -p /from /over /machine
mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=524288 root /from
mount -t tmpfs over /over
mkdir /over/upper /over/work
holds 'the root file system of the machine is here' mount -t overlay -o lowerdir=/from,upperdir=/over/upper,workdir=/over/work over /machine
# All modules there are: the kernel asks for them by our own modprobe.
mount --bind "/machine$folder/build/vm/kernel/lib/modules" /lib/modules
for each in proc sys dev; do
  mount --rbind /$each /machine/$each
done
for each in run var/tmp var/lib/cni; do
  mkdir -p /machine/$each
  mount -t tmpfs $each /machine/$each
done
ip link set lo up
hostname vm

# there COMMAND...: runs it in the repository of that machine.
there() {
  chroot /machine /bin/sh -c 'cd "$0" && PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/var/tmp TMPDIR=/var/tmp exec "$@"' "$folder" "$@"
}

# Each case of the conformance suite is a claim. This kernel lacks nothing, so one that is skipped is a failure.
conforms() {
  step "the conformance suite: $*"
  there node build/js/conformance/main.js --bin bin --jobs 1 "$@" 2>&1 | while read -r line; do
    name=${line#*ok * - }
    case $line in
      'not ok '* | 'ok '*' # SKIP '*) claim 'not ok' "$name" ;;
      'ok '*) claim ok "$name" ;;
      '# all '*) touch /tmp/ended ;;
      *) echo "$line" ;;
    esac
    step "the conformance suite, behind: $line"
  done
  holds 'the conformance suite came to its end' rm /tmp/ended
}

# Each assertion of a test file is one.
tests() {
  step "$1"
  there env TAP_TIMEOUT=300 FLATNET_PACKED=build/vm/packed node "build/js/$1" >/tmp/tests 2>&1
  grep -A 20 '^ *not ok' /tmp/tests
  grep '^    ok' /tmp/tests | sed "s|.*|ok $1|" >>/tmp/claims
  holds "$1: $(grep -c '^    ok' /tmp/tests) assertions" fails grep -q -e '^not ok' -e '^Bail' /tmp/tests
}

holds 'Node runs' there node -p process.version
# A case takes five seconds here, so there are only those in which the VLANs of a port and the gateway's link into a VLAN
# come, go or are looked at, each in the newest version alone. All others are for `make conformance`.
conforms --plugin scripts/vm/guest/suite/bridge-vlan.json --only ADD-06,ADD-09,ADD-11,CHK-06,DEL-11,DEL-12,CAP-15
tests lib/netlink/netlink.netns.test.js
