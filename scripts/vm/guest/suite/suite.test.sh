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

# Each case of the conformance suite is a claim.
conforms() {
  there node build/js/conformance/main.js --bin bin --jobs 1 "$@" >/tmp/conformance 2>/tmp/progress
  grep '^not ok' -A 20 /tmp/conformance
  sed -n 's/^# all  *\([0-9]*\) *\([0-9]*\) .*/\1 \2/p' /tmp/conformance | while read -r passed failed; do
    yes "ok $*" | head -n "$passed" >>/tmp/claims
    yes "not ok $*" | head -n "$failed" >>/tmp/claims
  done
  grep '^# all' /tmp/conformance
  holds "the conformance suite came to its end: $*" grep -q '^# all  *[1-9]' /tmp/conformance
  grep -q '^# all' /tmp/conformance || tail -n 20 /tmp/conformance /tmp/progress
}

# Each assertion of a test file is one.
tests() {
  there env TAP_TIMEOUT=300 node "build/js/$1" >/tmp/tests 2>&1
  grep -A 20 '^ *not ok' /tmp/tests
  grep '^    ok' /tmp/tests | sed "s|.*|ok $1|" >>/tmp/claims
  holds "$1: $(grep -c '^    ok' /tmp/tests) assertions" fails grep -q -e '^not ok' -e '^Bail' /tmp/tests
}

holds 'Node runs' there node -p process.version
# A case takes three seconds, so there are only those to which VLANs make a difference. The gateway's pair of links
# stays when the last pod goes, and its far end is not in results, as with the reference: that is DEL-05 and RES-06.
conforms --plugin scripts/vm/guest/suite/bridge-vlan.json --only ADD,CHK-0,DEL-1
conforms --plugin portmap --only CAP-01.sctp
tests lib/netlink/netlink.netns.test.js
tests plugins/bridge/ruleset.netns.test.js
