# /proc/sys that cannot be written, as in a container without privileges: what is set right need not be written, and
# what is set wrong is said with the command.

# network NAME NUMBER [KEYS]: bridge's configuration, of both families.
network() {
  echo "{ \"cniVersion\": \"1.1.0\", \"name\": \"$1\", \"type\": \"bridge\", \"bridge\": \"$1\", \"isDefaultGateway\": true, ${3:-} \"ipam\": { \"type\": \"host-local\", \"ranges\": [[{ \"subnet\": \"10.$2.0.0/24\" }], [{ \"subnet\": \"fd00:$2::/64\" }]] } }"
}

# mapped [KEYS]: portmap's.
mapped() {
  echo "{ \"cniVersion\": \"1.1.0\", \"name\": \"right\", \"type\": \"portmap\", ${1:-} \"runtimeConfig\": { \"portMappings\": [{ \"hostPort\": 8080, \"containerPort\": 80, \"protocol\": \"tcp\" }] } }"
}

# forwards VALUE-OF-IPV4 VALUE-OF-IPV6
forwards() {
  on_node sysctl -qw net.ipv4.ip_forward="$1" net.ipv6.conf.all.forwarding="$2"
}

node right
forwards 1 1
node wrong4
forwards 0 1
node wrong6
forwards 1 0
node wrong
forwards 0 0
ip netns add shy
in_pod shy sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
holds '/proc/sys cannot be written' fails on_node sysctl -w net.ipv4.ip_forward=1

NODE=right
right=$(network right 31)
holds 'loopback: ADD' pod lo '{ "cniVersion": "1.1.0", "name": "lo", "type": "loopback" }'
holds 'bridge: STATUS where all is set' status bridge "$right"
holds 'bridge: ADD where all is set' pod ra "$right"
holds 'it works at once, by IPv4' reaches ra 10.31.0.1
holds 'and by IPv6' reaches ra fd00:31::1
holds 'bridge: ADD of a second pod' pod rb "$right"
holds 'pods reach each other by IPv4' reaches ra 10.31.0.3
holds 'and by IPv6' reaches rb fd00:31::2
holds 'bridge: CHECK' check ra

holds 'portmap: ADD says that route_localnet must be set' refused 5 'sysctl -w net/ipv4/conf/right/route_localnet=1' chain ra portmap "$(mapped)"
holds 'and leaves no table' fails on_node_says flatnet-portmap nft list tables
holds 'portmap: ADD where 127.0.0.1 need not lead there' chain ra portmap "$(mapped '"snat": false,')"
holds 'portmap: DEL' unchain ra portmap
mount -o remount,bind,rw /proc/sys
on_node sysctl -qw net.ipv4.conf.right.route_localnet=1
mount -o remount,bind,ro /proc/sys
holds 'portmap: ADD where route_localnet is set' chain ra portmap "$(mapped)"
holds 'portmap: CHECK' check_chain ra portmap
holds 'portmap: DEL' unchain ra portmap

holds 'a container with IPv6 disabled: ADD says what to set' refused 5 'sysctl -w net/ipv6/conf/lo/disable_ipv6=0' pod shy "$right"
holds 'and leaves nothing in it' test -z "$(in_pod shy ip -o link show type veth)"
holds 'no lease either' test "$(ls /var/lib/cni/networks/right | grep -c '^10.31')" = 2
holds 'bridge: DEL' unpod ra
holds 'bridge: DEL' unpod rb
holds 'no port is left' test -z "$(on_node ip -o link show type veth)"

# nothing_left NETWORK: neither a link nor a lease nor a record.
nothing_left() {
  on_node ip -o link | grep -v ' lo:'
  find /var/lib/cni/networks/"$1" -name '*.31.*' -o -name 'fd00*'
  grep -rl "$1" /run/flatnet
}

number=32
for case in wrong4:net/ipv4/ip_forward wrong6:net/ipv6/conf/all/forwarding wrong:net/ipv4/ip_forward; do
  NODE=${case%%:*} key=${case#*:}
  config=$(network "$NODE" $number)
  holds "$NODE: ADD says that $key must be set" refused 5 "sysctl -w $key=1" pod "pod-$NODE" "$config"
  holds "$NODE: nothing is left of it" test -z "$(nothing_left "$NODE")"
  holds "$NODE: DEL succeeds" unpod "pod-$NODE"
  number=$((number + 1))
done
holds 'STATUS tells where nothing can be forwarded' refused 50 'sysctl -w net/ipv4/ip_forward=1' status bridge "$config"
holds 'not at layer 2' status bridge '{ "cniVersion": "1.1.0", "name": "l2", "type": "bridge", "ipam": {} }'

nodes='"nodes": [{ "name": "me", "addresses": ["10.9.0.1"], "podCIDRs": ["10.35.0.0/24"] }, { "name": "you", "addresses": ["10.9.0.2"], "podCIDRs": ["10.36.0.0/24"] }]'
for one in right wrong; do
  NODE=$one
  ip link add uplink netns $one type veth peer name eth1 netns shy
  on_node ip addr add 10.9.0.1/24 dev uplink
  on_node ip link set uplink up
  layer2='{ "cniVersion": "1.1.0", "name": "l2", "type": "bridge", "bridge": "l2", "ipam": {} }'
  pod "l2-$one" "$layer2"
  for kind in host-gw vxlan; do
    config="{ \"cniVersion\": \"1.1.0\", \"name\": \"l2\", \"type\": \"$kind\", \"stateDir\": \"/run/$one-$kind\", $nodes }"
    if [ $one = right ]; then
      holds "$kind: ADD where all is set" chain "l2-$one" $kind "$config"
      holds "$kind: CHECK" check_chain "l2-$one" $kind
    else
      holds "$kind: ADD says what must be set" refused 5 'sysctl -w net/ipv4/ip_forward=1' chain "l2-$one" $kind "$config"
    fi
    holds "$kind: DEL" unchain "l2-$one" $kind
  done
  holds 'bridge: DEL' unpod "l2-$one"
  ip netns exec $one ip link del uplink
done
mount -o remount,bind,rw /proc/sys
umount /proc/sys
