# SCTP host ports, asked from another machine, the node itself and another pod.

node sctp
ip netns add outside
ip link add uplink netns sctp type veth peer name eth0 netns outside
on_node ip addr add 192.0.2.1/24 dev uplink
on_node ip addr add 2001:db8::1/64 dev uplink nodad
on_node ip link set uplink up
address outside eth0 192.0.2.2/24
in_pod outside ip addr add 2001:db8::2/64 dev eth0 nodad
config='{ "cniVersion": "1.1.0", "name": "sctp", "type": "bridge", "isDefaultGateway": true, "ipam": { "type": "host-local", "ranges": [[{ "subnet": "10.2.0.0/24" }], [{ "subnet": "fd00:2::/64" }]] } }'

# ports HOST CONTAINER PROTOCOL: portmap's configuration.
ports() {
  echo "{ \"cniVersion\": \"1.1.0\", \"name\": \"sctp\", \"type\": \"portmap\", \"capabilities\": { \"portMappings\": true }, \"runtimeConfig\": { \"portMappings\": [{ \"hostPort\": $1, \"containerPort\": $2, \"protocol\": \"$3\" }] } }"
}

# serves POD: answers at its addresses, port 3868.
serves() {
  for own in $(in_pod "$1" ip -o addr show dev eth0 scope global | awk '{ sub("/.*", "", $4); print $4 }'); do
    in_pod "$1" sctp serve "$own" 3868 "$1" &
  done
}

# answers TEXT NAMESPACE ADDRESS PORT [SOURCE-PORT]
answers() {
  text=$1 from=$2
  shift 2
  answer=$(in_pod "$from" sctp ask "$@" 2>&1)
  echo "$answer"
  echo "$answer" | grep -q "^$text"
}

# followed: SCTP connections that the node's kernel remembers to host port 3000.
followed() {
  for family in ipv4 ipv6; do
    on_node conntrack -L -f $family -p sctp --orig-port-dst 3000 2>/dev/null
  done | grep -c sctp
}

holds 'the stock kernel has sctp' modprobe sctp
holds 'a server pod is attached' pod server "$config"
holds 'a client pod is attached' pod client "$config"
serves server
sleep 1
holds 'the server answers in its pod' answers server client 10.2.0.2 3868
# Another mapping makes the kernel follow connections, as it does on any node at work.
holds 'TCP of the port is mapped to another pod' chain client portmap "$(ports 3000 3868 tcp)"
holds 'nobody answers at the host port before it is mapped' fails answers server outside 192.0.2.1 3000 5001
holds 'nor by IPv6' fails answers server outside 2001:db8::1 3000 5001
holds 'the kernel remembers who asked in vain' test "$(followed)" = 2

holds 'ADD maps an SCTP port' chain server portmap "$(ports 3000 3868 sctp)"
holds 'who asked before, from the same port, is answered at once' answers server outside 192.0.2.1 3000 5001
holds 'by IPv6, too' answers server outside 2001:db8::1 3000 5001
holds 'the pod sees who asks' answers 'server, asked by 192.0.2.2' outside 192.0.2.1 3000
holds 'and by IPv6' answers 'server, asked by 2001:db8::2' outside 2001:db8::1 3000
holds 'the node asks by its own address' answers server sctp 192.0.2.1 3000
holds 'the node asks by its own IPv6 address' answers server sctp 2001:db8::1 3000
holds 'the node asks by 127.0.0.1' answers server sctp 127.0.0.1 3000
holds 'another pod asks by the address of the node' answers server client 192.0.2.1 3000
holds 'another pod asks by the IPv6 address of the node' answers server client 2001:db8::1 3000
holds 'the pod asks itself by the address of the node' answers server server 192.0.2.1 3000
holds 'CHECK finds the mapping' check_chain server portmap

holds 'another pod with the same port of SCTP is refused' fails chain client portmap "$(ports 3000 3868 sctp)"
holds 'DEL of TCP, whose port has the same number' unchain client portmap
holds 'SCTP is still there' answers server outside 192.0.2.1 3000

holds 'the kernel follows the connections' test "$(followed)" -gt 0
holds 'DEL withdraws the mapping' unchain server portmap
holds 'DEL again' unchain server portmap
holds 'the kernel follows none of them any more' test "$(followed)" = 0
holds 'nobody answers after DEL' fails answers server outside 192.0.2.1 3000 5001
holds 'nor by IPv6' fails answers server outside 2001:db8::1 3000 5001

# The next one with the port: a client that keeps asking from one port must not be led to the former.
holds 'another server takes the port' chain client portmap "$(ports 3000 3868 sctp)"
serves client
sleep 1
holds 'and answers who asked the former' answers client outside 192.0.2.1 3000 5001
holds 'by IPv6, too' answers client outside 2001:db8::1 3000 5001
holds 'DEL' unchain client portmap
holds 'no table is left' fails on_node_says flatnet-portmap nft list tables
holds 'DEL of the server' unpod server
holds 'DEL of the client' unpod client
