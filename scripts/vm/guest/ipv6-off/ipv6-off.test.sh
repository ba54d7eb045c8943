# A kernel whose command line says ipv6.disable=1: no IPv6 sockets, addresses, routes or settings at all.

# network NAME RANGES [KEYS]: bridge's configuration.
network() {
  echo "{ \"cniVersion\": \"1.1.0\", \"name\": \"$1\", \"type\": \"bridge\", \"bridge\": \"$1\", \"isDefaultGateway\": true, ${3:-} \"ipam\": { \"type\": \"host-local\", \"ranges\": [$2] } }"
}

# chained TYPE KEYS: a chained plugin's.
chained() {
  echo "{ \"cniVersion\": \"1.1.0\", \"name\": \"four\", \"type\": \"$1\", $2 }"
}

# state: what the node has, for comparison.
state() {
  on_node ip -o link | sed 's/ qlen.*//'
  on_node ip addr
  on_node ip route show table all
  on_node nft list ruleset
  find /var/lib/cni/networks /run/flatnet -type f ! -name lock ! -name catalogue ! -name 'last_reserved_ip*' 2>/dev/null | sort
}

# says TEXT COMMAND...
says() {
  text=$1
  shift
  "$@" </dev/null | grep -q "$text"
}

# changes_nothing COMMAND...: whatever it answers.
changes_nothing() {
  state >/tmp/before
  "$@"
  state >/tmp/after
  diff /tmp/before /tmp/after
}

holds 'the kernel has no IPv6' test ! -e /proc/sys/net/ipv6
node four
ip netns add outside
ip link add uplink netns four type veth peer name eth0 netns outside
on_node ip addr add 192.0.2.1/24 dev uplink
on_node ip link set uplink up
address outside eth0 192.0.2.2/24

loopback='{ "cniVersion": "1.1.0", "name": "lo", "type": "loopback" }'
holds 'loopback: ADD' pod lo "$loopback"
holds 'it lists 127.0.0.1 alone' test "$(grep -c '"address"' /tmp/lo.result)" = 1
holds 'loopback: CHECK' check lo
holds 'loopback: DEL' unpod lo
holds 'loopback: STATUS' status loopback "$loopback"

four=$(network four '[{ "subnet": "10.4.0.0/24" }]' '"ipMasq": true, "macspoofchk": true,')
holds 'bridge: STATUS' status bridge "$four"
holds 'bridge: ADD with an IPv4 range' pod a "$four"
holds 'ADD has nothing to complain of' test ! -s /tmp/a.said
holds 'bridge: ADD of a second pod' pod b "$four"
holds 'pods reach each other' reaches a 10.4.0.3
holds 'pods reach the node' reaches a 10.4.0.1
holds 'pods reach the outside, masqueraded' reaches a 192.0.2.2
holds 'bridge: CHECK' check a

six=$(network six '[{ "subnet": "fd00:6::/64" }]')
both=$(network both '[{ "subnet": "10.6.0.0/24" }], [{ "subnet": "fd00:6::/64" }]')
holds 'bridge: ADD with an IPv6 range says why not' refused 50 'ipv6.disable=1' pod c "$six"
holds 'bridge: with ranges of both families, too' refused 50 'ipv6.disable=1' pod d "$both"
holds 'a refused ADD leaves nothing' changes_nothing pod e "$both"
holds 'and nothing in the container' test -z "$(in_pod e ip -o link show type veth)"
holds 'DEL after it succeeds' unpod e
holds 'bridge: STATUS with an IPv6 range says why not' refused 50 'ipv6.disable=1' status bridge "$six"
holds 'bridge: STATUS with both families, too' refused 50 'ipv6.disable=1' status bridge "$both"

# An IPAM plugin whose ADD does not look at the kernel.
for gateway in true false; do
  static="{ \"cniVersion\": \"1.1.0\", \"name\": \"static\", \"type\": \"bridge\", \"bridge\": \"static\", \"isGateway\": $gateway, \"ipam\": { \"type\": \"static\", \"addresses\": [{ \"address\": \"10.8.0.2/24\" }, { \"address\": \"fd00:8::2/64\" }] } }"
  holds "static, isGateway $gateway: ADD says why not" refused 50 'ipv6.disable=1' pod s "$static"
  holds 'so does STATUS' refused 50 'ipv6.disable=1' status bridge "$static"
  holds 'DEL after it succeeds' unpod s
done

holds 'bridge: ADD at layer 2' pod l2 '{ "cniVersion": "1.1.0", "name": "l2", "type": "bridge", "bridge": "l2", "ipam": {} }'
holds 'bridge: DEL at layer 2' unpod l2
holds 'bridge: ADD into a VLAN with a gateway' pod vlan "$(network vlan '[{ "subnet": "10.7.0.0/24" }]' '"vlan": 7,')"
holds 'it reaches its gateway' reaches vlan 10.7.0.1
holds 'bridge: CHECK of a VLAN' check vlan
holds 'bridge: DEL of a VLAN' unpod vlan

mapping=$(chained portmap '"runtimeConfig": { "portMappings": [{ "hostPort": 8080, "containerPort": 80, "protocol": "tcp" }, { "hostPort": 8080, "containerPort": 80, "protocol": "udp" }] }')
in_pod a nc -ll -p 80 -e echo hello &
holds 'portmap: STATUS' status portmap "$mapping"
holds 'portmap: ADD' chain a portmap "$mapping"
holds 'the outside reaches the host port' says hello in_pod outside nc -w 3 192.0.2.1 8080
holds 'the node reaches it by 127.0.0.1' says hello on_node nc -w 3 127.0.0.1 8080
holds 'portmap: CHECK' check_chain a portmap
holds 'portmap: DEL' unchain a portmap
holds 'portmap: GC' collect portmap "$mapping"
holds 'its table is gone' fails on_node_says flatnet-portmap nft list tables

admission=$(chained firewall '"ingressPolicy": "isolated"')
on_node nft 'add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }'
holds 'a firewall drops what is forwarded' fails reaches a 192.0.2.2
holds 'firewall: STATUS' status firewall "$admission"
holds 'firewall: ADD' chain a firewall "$admission"
holds 'the pod gets through' reaches a 192.0.2.2
holds 'firewall: CHECK' check_chain a firewall
holds 'firewall: DEL' unchain a firewall
holds 'firewall: GC' collect firewall "$admission"
on_node nft delete table ip filter

limits=$(chained bandwidth '"ingressRate": 8000000, "ingressBurst": 800000, "egressRate": 8000000, "egressBurst": 800000')
holds 'bandwidth: STATUS' status bandwidth "$limits"
holds 'bandwidth: ADD' chain a bandwidth "$limits"
holds 'the limits are there, both ways' test "$(on_node tc qdisc show | grep -c 'tbf.*rate 8Mbit')" = 2
holds 'the pod reaches the outside within them' reaches a 192.0.2.2
holds 'bandwidth: CHECK' check_chain a bandwidth
holds 'bandwidth: DEL' unchain a bandwidth

holds 'bridge: DEL' unpod a
holds 'bridge: DEL again' unpod a
holds 'bridge: DEL of the other' unpod b
holds 'bridge: GC' collect bridge "$four"
holds 'no port is left' test -z "$(on_node ip -o link show type veth | grep -v -e uplink -e vlan.7)"
holds 'no lease is left' test -z "$(find /var/lib/cni/networks -name '10.*')"

# Two nodes on one segment.
node two
ip link add uplink netns two type veth peer name second netns four
NODE=four
on_node ip addr add 10.9.0.1/24 dev second
on_node ip link set second up
NODE=two
on_node ip addr add 10.9.0.2/24 dev uplink
on_node ip link set uplink up
nodes='"nodes": [{ "name": "one", "addresses": ["10.9.0.1"], "podCIDRs": ["10.1.0.0/24"] }, { "name": "two", "addresses": ["10.9.0.2"], "podCIDRs": ["10.2.0.0/24"] }]'
for type in host-gw vxlan; do
  for one in four two; do
    NODE=$one
    number=1
    [ $one = two ] && number=2
    joined=$(chained $type "\"stateDir\": \"/run/$one\", \"clusterCIDRs\": [\"10.0.0.0/13\"], $nodes")
    holds "$type: STATUS on $one" status $type "$joined"
    holds "bridge: ADD on $one" pod $type-$one "$(network cni$number "[{ \"subnet\": \"10.$number.0.0/24\" }]")"
    holds "$type: ADD on $one" chain $type-$one $type "$joined"
    holds "$type: CHECK on $one" check_chain $type-$one $type
  done
  holds "$type: a pod reaches the pod of the other node" reaches $type-two "$(in_pod $type-four ip -o -4 addr show eth0 | sed 's/.*inet \([^/]*\).*/\1/')"
  for one in four two; do
    NODE=$one
    holds "$type: DEL on $one" unchain $type-$one $type
    holds "bridge: DEL on $one" unpod $type-$one
    holds "$type: GC on $one" collect $type "$(cat /tmp/$type-$one.$type.config)"
  done
done

# A table that gives this node IPv6 pods, too.
six='"nodes": [{ "name": "one", "addresses": ["10.9.0.1", "fd09::1"], "podCIDRs": ["10.1.0.0/24", "fd01::/64"] }, { "name": "two", "addresses": ["10.9.0.2", "fd09::2"], "podCIDRs": ["10.2.0.0/24", "fd02::/64"] }]'
holds 'bridge: ADD on two' pod six "$(network cni2 '[{ "subnet": "10.2.0.0/24" }]')"
for kind in host-gw vxlan; do
  joined=$(chained $kind "\"stateDir\": \"/run/six-$kind\", $six")
  holds "$kind: STATUS with IPv6 pods says why not" refused 50 'ipv6.disable=1' status $kind "$joined"
  holds "$kind: ADD with IPv6 pods says why not" refused 50 'ipv6.disable=1' chain six $kind "$joined"
  holds "$kind: and leaves nothing" changes_nothing chain six $kind "$joined"
  holds "$kind: DEL succeeds" unchain six $kind
done
holds 'bridge: DEL on two' unpod six

# A node without IPv6 among nodes that have it: their IPv4 pods are reached.
mixed='"nodes": [{ "name": "one", "addresses": ["fd09::1", "10.9.0.1"], "podCIDRs": ["10.1.0.0/24", "fd01::/64"] }, { "name": "two", "addresses": ["10.9.0.2"], "podCIDRs": ["10.2.0.0/24"] }]'
for kind in host-gw vxlan; do
  joined=$(chained $kind "\"stateDir\": \"/run/mixed-$kind\", $mixed")
  holds "bridge: ADD before $kind" pod mixed "$(network cni2 '[{ "subnet": "10.2.0.0/24" }]')"
  holds "$kind: ADD among nodes with IPv6" chain mixed $kind "$joined"
  holds "$kind: the IPv4 pods of the other have their way" on_node_says '^10.1.0.0/24' ip route
  holds "$kind: CHECK" check_chain mixed $kind
  holds "$kind: DEL" unchain mixed $kind
  holds "bridge: DEL after $kind" unpod mixed
done
