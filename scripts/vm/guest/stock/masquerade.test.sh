# ipMasq and macspoofchk by packets on Debian's kernel, where br_netfilter is a module that may come after the pods.

node masquerade
ip netns add world
ip link add uplink netns masquerade type veth peer name eth0 netns world
on_node ip addr add 192.0.2.1/24 dev uplink
on_node ip link set uplink up
address world eth0 192.0.2.2/24
in_pod world ip route add 10.33.0.0/24 via 192.0.2.1
config='{ "cniVersion": "1.1.0", "name": "masked", "type": "bridge", "bridge": "cni0", "isDefaultGateway": true, "ipMasq": true, "macspoofchk": true, "ipam": { "type": "host-local", "ranges": [[{ "subnet": "10.33.0.0/24" }], [{ "subnet": "fd00:33::/64" }]] } }'

# sees NAME ADDRESS-OF-SENDER ADDRESS: from now on NAME counts the echo requests to ADDRESS that this sender's address is in.
sees() {
  in_pod "$1" nft "add table inet seen; add chain inet seen requests { type filter hook prerouting priority -300; }; add rule inet seen requests ip saddr $2 ip daddr $3 icmp type echo-request counter"
}

# has_seen NAME ADDRESS: it counted one to ADDRESS.
has_seen() {
  in_pod "$1" nft list table inet seen | grep "daddr $2 " | grep -q 'packets [1-9]'
}

holds 'ADD' pod ma "$config"
holds 'ADD of a second pod' pod mb "$config"
sees world 192.0.2.1 192.0.2.2
sees mb 10.33.0.2 10.33.0.3
sees mb 10.33.0.2 255.255.255.255
sees mb 10.33.0.2 10.33.0.255
sees mb 10.33.0.2 224.0.0.1
holds 'the outside answers' reaches ma 192.0.2.2
holds 'it sees the node' has_seen world 192.0.2.2
holds 'another pod answers' reaches ma 10.33.0.3
holds 'it sees the pod' has_seen mb 10.33.0.3

modprobe br_netfilter
holds 'iptables sees bridged frames from now on' on_node sysctl -qw \
  net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1
for group in 255.255.255.255 10.33.0.255 224.0.0.1; do
  in_pod ma ping -q -c 1 -W 1 -I eth0 $group >/dev/null 2>&1
  holds "$group arrives with the pod's own address" has_seen mb $group
done
holds 'the outside answers as before' reaches ma 192.0.2.2
holds 'so does another pod' reaches ma 10.33.0.3
holds 'CHECK' check ma

in_pod ma ip link set eth0 address 02:00:00:00:00:01
holds 'a frame with another MAC is dropped' fails reaches ma 10.33.0.1
holds 'the other pod is not concerned' reaches mb 10.33.0.1
holds 'DEL' unpod ma
holds 'DEL of the second pod' unpod mb
holds 'no table is left' test -z "$(on_node nft list tables)"
