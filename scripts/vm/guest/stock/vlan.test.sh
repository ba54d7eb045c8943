# Bridge VLAN filtering, seen by packets: who hears whom with `vlan`, `vlanTrunk` and `preserveDefaultVlan`.

node vlan
layer2() {
  echo "{ \"cniVersion\": \"1.0.0\", \"name\": \"vlan\", \"type\": \"bridge\", \"bridge\": \"br0\", \"ipam\": {}, $1 }"
}

# Layer 2: the addresses are ours, all of one subnet, so that only the bridge keeps pods apart.
holds 'ADD with vlan 100' pod a100 "$(layer2 '"vlan": 100')"
holds 'ADD with vlan 100' pod b100 "$(layer2 '"vlan": 100')"
holds 'ADD with vlan 200' pod a200 "$(layer2 '"vlan": 200')"
holds 'ADD without vlan' pod a1 "$(layer2 '"vlan": 0')"
holds 'ADD with vlan 100 that keeps the default VLAN' pod p100 "$(layer2 '"vlan": 100, "preserveDefaultVlan": true')"
holds 'ADD with a trunk' pod trunk "$(layer2 '"vlanTrunk": [{ "id": 100 }, { "minID": 200, "maxID": 202 }]')"
holds 'ADD with a trunk and vlan 200' pod both "$(layer2 '"vlan": 200, "vlanTrunk": [{ "id": 100 }]')"
address a100 eth0 192.168.0.1/24
address b100 eth0 192.168.0.2/24
address a200 eth0 192.168.0.3/24
address a1 eth0 192.168.0.4/24
address p100 eth0 192.168.0.5/24
on_node bridge vlan show

holds 'the bridge filters VLANs' on_node_says 'vlan_filtering 1' ip -d link show br0
holds 'pods of one VLAN hear each other' reaches a100 192.168.0.2
holds 'pods of two VLANs do not' fails reaches a100 192.168.0.3
holds 'a pod of a VLAN does not hear the default VLAN' fails reaches a100 192.168.0.4

# One direction each: the default VLAN reaches the pod, its answer leaves in VLAN 100.
in_pod a1 ip neigh replace 192.168.0.5 dev eth0 nud permanent \
  lladdr "$(in_pod p100 ip -o link show eth0 | sed 's/.*ether \([^ ]*\).*/\1/')"
in_pod a1 ip neigh replace 192.168.0.1 dev eth0 nud permanent \
  lladdr "$(in_pod a100 ip -o link show eth0 | sed 's/.*ether \([^ ]*\).*/\1/')"
before_p=$(echoes p100) before_a=$(echoes a100)
reaches a1 192.168.0.5 >/dev/null
reaches a1 192.168.0.1 >/dev/null
holds 'preserveDefaultVlan: frames of the default VLAN arrive' test "$(echoes p100)" -gt "$before_p"
holds 'and without it they do not' test "$(echoes a100)" = "$before_a"
holds 'a pod that keeps the default VLAN is in its own' reaches p100 192.168.0.2

in_pod trunk ip link set eth0 up
for id in 100 200 202 300; do
  in_pod trunk ip link add link eth0 name eth0.$id type vlan id $id
done
address trunk eth0.100 192.168.0.10/24
holds 'a trunk carries a VLAN it lists, tagged' reaches trunk 192.168.0.1
in_pod trunk ip addr flush dev eth0.100
address trunk eth0.200 192.168.0.10/24
holds 'a trunk carries the first VLAN of a range' reaches trunk 192.168.0.3
in_pod trunk ip addr flush dev eth0.200
holds 'ADD with vlan 202' pod a202 "$(layer2 '"vlan": 202')"
address a202 eth0 192.168.0.6/24
address trunk eth0.202 192.168.0.10/24
holds 'a trunk carries the last VLAN of a range' reaches trunk 192.168.0.6
in_pod trunk ip addr flush dev eth0.202
holds 'ADD with vlan 300' pod a300 "$(layer2 '"vlan": 300')"
address a300 eth0 192.168.0.7/24
address trunk eth0.300 192.168.0.10/24
holds 'a trunk does not carry a VLAN it does not list' fails reaches trunk 192.168.0.7
in_pod trunk ip addr flush dev eth0.300
address trunk eth0 192.168.0.10/24
holds 'a trunk without vlan carries VLAN 1 untagged' reaches trunk 192.168.0.4

address both eth0 192.168.0.11/24
holds 'a trunk with a vlan carries that one untagged' reaches both 192.168.0.3
in_pod both ip addr flush dev eth0
in_pod both ip link add link eth0 name eth0.100 type vlan id 100
address both eth0.100 192.168.0.11/24
holds 'and the listed one tagged' reaches both 192.168.0.1

for name in a100 a1 p100 trunk both; do
  holds "CHECK finds $name as ADD left it" check $name
done
holds 'a port has the alias of its pod' test -n "$(port trunk)"
on_node bridge vlan del vid 201 dev "$(port trunk)"
holds 'CHECK fails for a VLAN that a trunk lacks' fails check trunk
on_node bridge vlan add vid 300 dev "$(port a100)"
holds 'CHECK fails for a VLAN too many' fails check a100

for name in a100 b100 a200 a1 p100 trunk both a202 a300; do
  holds "DEL of $name" unpod $name
done
holds 'no port is left' test -z "$(on_node ip -o link show type veth)"

# Layer 3: each VLAN with a gateway of its own on one bridge.
node gateways
layer3() {
  echo "{ \"cniVersion\": \"1.0.0\", \"name\": \"net$1\", \"type\": \"bridge\", \"bridge\": \"br0\", \"vlan\": $1, \"isDefaultGateway\": true, \"ipam\": { \"type\": \"host-local\", \"subnet\": \"10.$2.0.0/24\" } }"
}
holds 'ADD with vlan 100 and a gateway' pod g100 "$(layer3 100 100)"
holds 'ADD with vlan 200 and a gateway' pod g200 "$(layer3 200 200)"
on_node bridge vlan show
holds 'the gateway is on the bridge of the VLAN' on_node_says 10.100.0.1/24 ip -o addr show br0.100
holds 'the gateway of a VLAN answers' reaches g100 10.100.0.1
holds 'the gateway of the other VLAN answers' reaches g200 10.200.0.1
holds 'the node routes between VLANs' reaches g100 10.200.0.2

# firewall behind it: the port is the container's own, and routed packets come in by the VLAN's gateway.
isolated() {
  echo "{ \"cniVersion\": \"1.0.0\", \"name\": \"net$1\", \"type\": \"firewall\", \"ingressPolicy\": \"isolated\" }"
}
holds 'ADD of another pod with vlan 100' pod h100 "$(layer3 100 100)"
holds 'pods of a VLAN reach each other' reaches g100 10.100.0.3
for name in g100 h100 g200; do
  holds "firewall isolates $name" chain $name firewall "$(isolated "$(echo $name | tr -d gh)")"
done
holds 'isolated pods of a VLAN do not reach each other' fails reaches g100 10.100.0.3
holds 'nor those of two VLANs' fails reaches g200 10.100.0.2
holds 'an isolated pod reaches its gateway' reaches g100 10.100.0.1
for name in g100 h100 g200; do
  holds "CHECK finds the isolation of $name" check_chain $name firewall
  holds "DEL ends the isolation of $name" unchain $name firewall
done
holds 'the node routes between VLANs again' reaches g100 10.200.0.2
holds 'DEL of another pod with vlan 100' unpod h100
holds 'DEL of vlan 100' unpod g100
holds 'DEL of vlan 200' unpod g200
