# Who has a MAC or an address already, where the bridge filters VLANs: its forwarding table is one a VLAN, so a pod of
# another VLAN is in nobody's way.

node holders
MAC=02:00:00:00:00:77

# layer2 KEYS: without addresses.
layer2() {
  echo "{ \"cniVersion\": \"1.1.0\", \"name\": \"macs\", \"type\": \"bridge\", \"bridge\": \"br0\", \"ipam\": {}, $1 }"
}

# with_mac MAC KEYS
with_mac() {
  layer2 "\"runtimeConfig\": { \"mac\": \"$1\" }, $2"
}

holds 'ADD with vlan 100 and a MAC' pod m100 "$(with_mac $MAC '"vlan": 100')"
holds 'ADD with vlan 200 and the same MAC' pod m200 "$(with_mac $MAC '"vlan": 200')"
holds 'ADD without vlan and with the same MAC' pod m1 "$(with_mac $MAC '"vlan": 0')"
for vlan in 0 100 200; do
  name=n${vlan%00}
  holds "ADD of a second pod with vlan $vlan" pod "$name" "$(layer2 "\"vlan\": $vlan")"
  address "$name" eth0 192.168.0.2/24
done
for name in m100 m200 m1; do
  address $name eth0 192.168.0.1/24
done
# All send, so that the bridge has seen the MAC behind three ports.
for name in n0 n1 n2; do
  holds "$name reaches the pod of its VLAN" reaches $name 192.168.0.1
done
before_100=$(echoes m100) before_200=$(echoes m200) before_1=$(echoes m1)
holds 'and reaches it while the others with its MAC talk' reaches n1 192.168.0.1
holds 'which hear nothing of it' test "$(echoes m200) $(echoes m1)" = "$before_200 $before_1"
holds 'while it does' test "$(echoes m100)" -gt "$before_100"

for vlan in 0 100 200; do
  holder=m$vlan
  [ $vlan = 0 ] && holder=m1
  holds "the MAC again with vlan $vlan is refused, and the pod is named" refused 103 "macs/$holder eth0" \
    pod again "$(with_mac $MAC "\"vlan\": $vlan")"
  on_node ip link set "$(port $holder)" type bridge_slave fdb_flush
  holds 'also when the bridge has forgotten it' refused 103 "macs/$holder eth0" \
    pod again "$(with_mac $MAC "\"vlan\": $vlan")"
done
holds 'nothing is left of them' test -z "$(in_pod again ip -o link show type veth)"

holds 'ADD of a trunk with a MAC' pod t100 "$(with_mac 02:00:00:00:00:88 '"vlanTrunk": [{ "id": 100 }]')"
holds 'a MAC of a trunk is taken in a VLAN that the trunk carries' refused 103 'macs/t100 eth0' \
  pod again "$(with_mac 02:00:00:00:00:88 '"vlan": 100')"
holds 'and in the one it has untagged' refused 103 'macs/t100 eth0' pod again "$(with_mac 02:00:00:00:00:88 '"vlan": 0')"
holds 'and free in others' pod again "$(with_mac 02:00:00:00:00:88 '"vlan": 200')"
for name in m100 m200 m1 n0 n1 n2 t100 again; do
  holds "DEL of $name" unpod $name
done

# Addresses: three networks of one subnet on one bridge, two of them in one VLAN. None has a gateway here.
net() {
  echo "{ \"cniVersion\": \"1.1.0\", \"name\": \"$1\", \"type\": \"bridge\", \"bridge\": \"br0\", \"vlan\": $2, \"ipam\": { \"type\": \"host-local\", \"subnet\": \"10.78.0.0/28\" } }"
}
# has POD ADDRESS: ADD answered with it.
has() {
  grep -q "\"address\": *\"$2/" "/tmp/$1.result"
}
holds 'ADD in VLAN 100' pod a100 "$(net one 100)"
holds 'ADD of another network in VLAN 200' pod a200 "$(net two 200)"
holds 'it has the same address' has a200 10.78.0.2
holds 'and no warning' test ! -s /tmp/a200.said
holds 'ADD of a third network in VLAN 100' pod b100 "$(net three 100)"
holds 'it has another address' has b100 10.78.0.3
holds 'the pods of VLAN 100 reach each other' reaches b100 10.78.0.2

# A pod of another program, whose link tells nothing, so that it has to be asked: it is in VLAN 1, like the bridge itself.
ip netns add foreign
ip link add foreign netns "$NODE" type veth peer name eth0 netns foreign
on_node ip link set foreign master br0 up
address foreign eth0 10.78.0.4/28
on_node ip addr add 10.78.0.14/28 dev br0
on_node ip link set br0 up
mkdir -p /var/lib/cni/networks/foreign
printf 'foreign\r\neth0' >/var/lib/cni/networks/foreign/10.78.0.4
holds 'a pod of another program answers in VLAN 1' on_node ping -q -c 1 -W 1 10.78.0.4
holds 'ADD in VLAN 300' pod a300 "$(net four 300)"
for name in b300 c300; do
  holds 'ADD of one more' pod $name "$(net four 300)"
done
holds 'what is in VLAN 1 costs no address there' has c300 10.78.0.4
holds 'ADD in VLAN 1' pod a1 "$(net five 0)"
for name in b1 c1; do
  holds 'ADD of one more' pod $name "$(net five 0)"
done
holds 'and costs it in VLAN 1' has c1 10.78.0.5
for name in a100 a200 b100 a300 b300 c300 a1 b1 c1; do
  holds "DEL of $name" unpod $name
done
on_node ip link del foreign
rm -r /var/lib/cni/networks/foreign
holds 'no port is left' test -z "$(on_node ip -o link show type veth)"
