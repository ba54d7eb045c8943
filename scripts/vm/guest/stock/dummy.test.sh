# The plugin dummy: links of that kind, which not every kernel has.

node dummy
services='{ "cniVersion": "1.1.0", "name": "services", "type": "dummy", "ipam": { "type": "host-local",
  "dataDir": "/tmp/dummy-leases", "ranges": [[{ "subnet": "10.96.0.0/24" }], [{ "subnet": "fd96::/64" }]] } }'
lease() {
  ls /tmp/dummy-leases/services | grep -q "^$1$"
}

holds 'ADD of dummy' pod s1 "$services"
in_pod s1 ip -d addr show eth0
# By which a namespace reaches its own addresses.
in_pod s1 ip link set lo up
holds 'the link is a dummy, up, with the alias of its attachment' \
  sh -c "/usr/sbin/ip netns exec s1 /usr/sbin/ip -d link show eth0 | tr '\n' ' ' | grep -E 'UP.* dummy .*alias [0-9a-f]{16} services/s1 eth0'"
holds 'it answers under the IPv4 address' in_pod s1 ping -q -c 1 -W 1 10.96.0.2
holds 'and under the IPv6 address, at once' in_pod s1 ping -q -c 1 -W 1 fd96::2
holds 'CHECK finds it as ADD left it' check s1
holds 'a second ADD is refused' refused 101 'attached already' pod s1 "$services"
in_pod s1 ip link set eth0 down
holds 'CHECK finds it down' refused 100 'eth0 is down' check s1
in_pod s1 ip link add other type dummy
in_pod s1 ip link set eth0 name renamed
holds 'DEL' unpod s1
holds 'DEL removes the link under another name' fails in_pod s1 ip link show renamed
holds 'and no other one' in_pod s1 ip link show other
holds 'and gives back the address' fails lease 10.96.0.2
in_pod s1 ip link add eth0 type dummy
holds 'an ADD for a name that is taken is refused' refused 101 'already' pod s1 "$services"
holds 'and leaves that link' in_pod s1 ip link show eth0
holds 'GC succeeds' collect dummy "$services"
