#!/bin/sh
# train.sh PACK DIR PROFILE: runs the spread executables in DIR as a runtime would, in namespaces of their
# own, and has PACK note in PROFILE what each call writes to (lib/engine/src/bin/pack/touched.rs). Groups: 1 is
# every call, 2 ADD of a pod, 3 its CHECK and DEL, 4 the chain, 5 what is rarer.
set -eu
if [ "${FLATNET_TRAINING:-}" = "" ]; then
  user=
  [ "$(id -u)" = 0 ] || user='--user --map-root-user'
  FLATNET_TRAINING=1 exec unshare $user --net --mount --propagation private -- "$0" "$@"
fi

pack=$(realpath "$1")
bin=$(realpath "$2")
profile=$(realpath "$3")
mount -t tmpfs -o mode=0755 flatnet /run
mkdir /run/train /run/train/var
cd /run/train
export CNI_IFNAME=eth0 CNI_PATH="$bin"

common='"cniVersion":"1.0.0","name":"train","stateDir":"/run/train/var"'
ranges='[{"subnet":"10.1.0.0/16"}]'
bridge() { # RANGES MORE
  echo '"type":"bridge","bridge":"cni0","isDefaultGateway":true,"ipam":{"type":"host-local","dataDir":"/run/train/var","ranges":['"$1]}$2"
}
ports='"type":"portmap","runtimeConfig":{"portMappings":[
  {"hostPort":8080,"containerPort":80,"protocol":"tcp"},{"hostPort":8053,"containerPort":53,"protocol":"udp"}]}'
limits='"type":"bandwidth","ingressRate":8000000,"ingressBurst":800000,"egressRate":8000000,"egressBurst":800000'
# The bridge itself is the way to the other node: one less thing to make.
nodes='"nodes":[{"name":"here","addresses":["10.1.0.1"],"podCIDRs":["10.1.0.0/17"]},
  {"name":"there","addresses":["10.1.200.99"],"podCIDRs":["10.2.0.0/16"]}]'

# call POD CONFIG WITH…
call() {
  pod=/run/train/$1
  [ -e "$pod" ] || { : >"$pod" && unshare --net="$pod" true; }
  echo "{$common,$2}" >stdin
  type=${2#*\"type\":\"}
  type=${type%%\"*}
  shift 2
  CNI_CONTAINERID=${pod##*/} CNI_NETNS=$pod "$@" "$bin/$type" <stdin
}

# step GROUP COMMAND POD CONFIG: its result in $result.
step() {
  if result=$(CNI_COMMAND=$2 call "$3" "$4" "$pack" touched "$1" "$profile"); then :; else
    echo "a $2, to see what it writes to: $result" >&2
  fi
}

step 1 VERSION none '"type":"bridge"'
[ -s "$profile" ]

one=$(bridge "$ranges" '')
CNI_COMMAND=ADD call a "$one" env >first
step 2 ADD b "$one"
b=$result
step 3 CHECK b "$one,\"prevResult\":$b"
step 3 DEL b "$one,\"prevResult\":$b"

two=$(bridge "$ranges,[{\"subnet\":\"fd00:1::/64\"}]" ',"ipMasq":true')
step 4 ADD c "$two"
c=$result
for plugin in "$ports" "$limits" '"type":"firewall"'; do
  step 4 ADD c "$plugin,\"prevResult\":$c"
done
for plugin in '"type":"firewall"' "$limits" "$ports" "$two"; do
  step 4 DEL c "$plugin,\"prevResult\":$c"
done

step 5 ADD a '"type":"loopback"'
step 5 ADD a '"type":"static","ipam":{"type":"static","addresses":[{"address":"10.5.0.2/16","gateway":"10.5.0.1"}]}'
step 5 ADD e "$(bridge '[{"subnet":"10.4.0.0/16"}]' ',"bridge":"cni1"')"
step 5 ADD d "$one"
d=$result
settings='"type":"tuning","sysctl":{"net.ipv4.conf.IFNAME.log_martians":"1"},"mtu":1400,"mac":"02:11:22:33:44:55"'
step 5 ADD d "$settings,\"prevResult\":$d"
step 5 DEL d "$settings,\"prevResult\":$d"
for type in host-gw vxlan; do
  step 5 ADD d "\"type\":\"$type\",$nodes,\"prevResult\":$d"
done
