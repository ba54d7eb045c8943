# What the suite needs of a stock kernel, and pods that talk on it.

for module in bridge veth 8021q vxlan ifb nf_tables br_netfilter sch_tbf sch_ingress; do
  holds "the stock kernel has $module" modprobe $module
done

node plain
config='{ "cniVersion": "1.0.0", "name": "plain", "type": "bridge", "bridge": "cni0", "isDefaultGateway": true,
  "ipam": { "type": "host-local", "ranges": [[{ "subnet": "10.1.0.0/24" }], [{ "subnet": "fd00:1::/64" }]] } }'
config=$(echo "$config" | tr '\n' ' ')
holds 'ADD attaches the first pod' pod plain-a "$config"
holds 'ADD attaches the second pod' pod plain-b "$config"
holds 'pods reach each other by IPv4' reaches plain-a 10.1.0.3
holds 'pods reach each other by IPv6' reaches plain-a fd00:1::3
holds 'the gateway answers' reaches plain-b 10.1.0.1
holds 'DEL detaches' unpod plain-a
holds 'DEL detaches' unpod plain-b
holds 'no port is left' test -z "$(on_node ip -o link show type veth)"
