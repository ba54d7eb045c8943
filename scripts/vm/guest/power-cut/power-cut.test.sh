# One life of a machine whose power is cut in the middle of ADDs, time and again. /var/lib/cni is on a disk, and what the
# kernel had not written to it by then is lost: leases and records are missing, empty, or there in part.
#
# Kernel parameters: `life` is this boot's number, `final` is set in the last one. ../../power-cut.sh cuts the power as
# soon as enough ADDs are reported, and hands over whom the former life had begun to add.

modprobe -a virtio_pci virtio_blk ext4 qemu_fw_cfg
mkdir -p /var/lib/cni
# How much is lost, and in which order, differs.
case $((life % 3)) in
  0) options=commit=1 ;;
  1) options=commit=1,data=writeback ;;
  2) options=commit=1,nodelalloc ;;
esac
holds "life $life: the disk is mounted, $options" mount -t ext4 -o $options /dev/vda /var/lib/cni
tr -d '\0' </sys/firmware/qemu_fw_cfg/by_name/opt/former/raw >/tmp/former
networks=/var/lib/cni/networks
node "life$life"

# config NETWORK: `wide` has room for all, `small` for 13, and what `disk` remembers is on the disk, too.
config() {
  case $1 in
    wide) ipam='"ranges": [[{ "subnet": "10.50.0.0/16" }], [{ "subnet": "fd00:50::/64" }]]' state=/run/flatnet ;;
    small) ipam='"ranges": [[{ "subnet": "10.51.0.0/28" }]]' state=/run/flatnet ;;
    disk) ipam='"ranges": [[{ "subnet": "10.52.0.0/24" }]]' state=/var/lib/cni/flatnet ;;
  esac
  echo "{ \"cniVersion\": \"1.1.0\", \"name\": \"$1\", \"type\": \"bridge\", \"bridge\": \"$1\", \"isDefaultGateway\": true, \"ipMasq\": true, \"stateDir\": \"$state\", \"ipam\": { \"type\": \"host-local\", $ipam } }"
}

# mapped PORT: portmap's configuration in the network `disk`.
mapped() {
  echo "{ \"cniVersion\": \"1.1.0\", \"name\": \"disk\", \"type\": \"portmap\", \"stateDir\": \"/var/lib/cni/flatnet\", \"runtimeConfig\": { \"portMappings\": [{ \"hostPort\": $1, \"containerPort\": 80, \"protocol\": \"tcp\" }] } }"
}

# leases NETWORK: the addresses given.
leases() {
  ls "$networks/$1" 2>/dev/null | grep -v -e lock -e last_reserved
}

# named NETWORK: of these, those whose file says whose they are.
named() {
  for address in $(leases "$1"); do
    [ -z "$(tr -d '\0 \r\n' <"$networks/$1/$address")" ] || echo "$address"
  done
}

# strangers NETWORK: who has a lease but no record, because the disk got the one and not the other. Nobody can say that
# they are dead, so only their DEL, or GC, makes room.
strangers() {
  for address in $(named "$1"); do
    id=$(head -n 1 "$networks/$1/$address" | tr -d '\r')
    grep -q "\"containerId\":\"$id\"" $networks/.flatnet/"$1"/*.json || echo "$id"
  done
}

# given NETWORK: the addresses that this life's pods have, by their results.
given() {
  while read -r name; do
    grep -o '"address":"[^"/]*' "/tmp/$name.result" | cut -d '"' -f 4
  done <"/tmp/alive.$1"
}

# attach NAME, detach NAME: NAME is the network's, a dash, and the rest. The console tells power-cut.sh.
attach() {
  echo "adding $1" >/dev/console
  pod "$1" "$(config "${1%%-*}")" || return
  echo "$1" >>"/tmp/alive.${1%%-*}"
  echo "added $1 $(grep -o '"address":"[^"/]*' "/tmp/$1.result" | cut -d '"' -f 4 | tr '\n' ' ')" >/dev/console
}

detach() {
  echo "removing $1" >/dev/console
  config "${1%%-*}" >"/tmp/$1.config"
  sed -i "/^$1\$/d" "/tmp/alive.${1%%-*}"
  unpod "$1"
}

# unmap NAME: DEL of a host port, of which no result is left.
unmap() {
  mapped 8001 >"/tmp/$1.portmap.config"
  cni DEL "$1" portmap <"/tmp/$1.portmap.config"
}

# everybody COMMAND NAME...: for each name; all must succeed.
everybody() {
  command=$1 status=0
  shift
  for name in "$@"; do
    "$command" "$name" || { echo "$command $name"; status=1; }
  done
  return $status
}

# collected NETWORK: GC, told that this life's pods are valid.
collected() {
  valid=$(sed -n "s/^$1-.*/{ \"containerID\": \"&\", \"ifname\": \"eth0\" }/p" "/tmp/alive.$1" | tr '\n' ',')
  config=$(config "$1")
  printf '%s, "cni.dev/valid-attachments": [%s] }' "${config%\}*}" "${valid%,}" |
    on_node env CNI_COMMAND=GC CNI_PATH=$CNI_BIN $CNI_BIN/bridge
}

# numbered NAME FIRST LAST
numbered() {
  seq "$2" "$3" | sed "s/^/$1-/"
}

for network in wide small disk; do
  : >/tmp/alive.$network
  [ -d $networks/$network ] || continue
  files=$(leases $network | wc -l)
  empty=$(cd $networks/$network && find . -maxdepth 1 -type f -size 0 ! -name lock | wc -l)
  torn=$(find $networks/.flatnet/$network -name '*.json' -size 0 | wc -l)
  echo "    $network: $files leases, $empty of them empty, $torn empty records"
done

holds 'DEL of whose records are lost' everybody detach $(strangers small)
# New pods come before anybody has said that the old ones are gone.
holds 'ADDs in a wide network' everybody attach $(numbered wide-$life 1 4)
holds 'ADDs with records on the disk' everybody attach $(numbered disk-$life 1 4)
holds 'a host port of the former life is free' chain "disk-$life-1" portmap "$(mapped 8001)"
holds 'ADDs of a whole range, full of the former life' everybody attach $(numbered small-$life 1 13)
holds 'one more is refused' refused 102 'no IP addresses available' attach "small-$life-14"
for network in wide small disk; do
  holds "$network: no address is given twice" test -z "$(given $network | sort | uniq -d)"
done

# Whom the former life had begun to add: DEL, or only GC, which alone finds files that name nobody.
if [ -s /tmp/former ]; then
  echo "    $(wc -l </tmp/former) attachments of the former life"
  if [ $((life % 2)) = 0 ] || [ -n "$final" ]; then
    holds 'DEL of everybody of the former life' everybody detach $(cat /tmp/former)
    holds 'DEL of their host ports' everybody unmap $(grep '^disk' /tmp/former)
    for network in wide small disk; do
      holds "$network: nobody but this life's pods has a lease" test "$(named $network | sort)" = "$(given $network | sort)"
    done
  fi
  for network in wide small disk; do
    holds "$network: GC" collected $network
    holds "$network: the leases are those of this life" test "$(leases $network | sort)" = "$(given $network | sort)"
  done
fi
holds 'CHECK of everybody of this life' everybody check $(cat /tmp/alive.*)
holds 'the host port is mapped' check_chain "disk-$life-1" portmap

# storm NETWORK NAME: adds until the end; what it added last is removed again where the network is full, or every third.
storm() {
  n=0
  while :; do
    n=$((n + 1))
    if [ "$1" = small ]; then detach "$(head -n 1 /tmp/alive.small)"; fi
    attach "$1-$life-$2$n" || echo "failed $1-$life-$2$n" >/dev/console
    [ "$1" = disk ] && chain "$1-$life-$2$n" portmap "$(mapped $((9000 + n)))" >/dev/null
    [ "$1" = disk ] && [ $((n % 3)) = 0 ] && unchain "$1-$life-$2$n" portmap && detach "$1-$life-$2$n"
  done 2>&1
}

if [ -z "$final" ]; then
  summary
  storm wide a &
  storm wide b &
  storm small a &
  storm disk a &
  wait
fi

# Everything that a power cut may leave of a file, made by hand, in a range that is full of it. 2 and 3 are leases of
# somebody, who is not known to be dead: only their DEL, or GC, gives their addresses back.
torn() {
  case $1 in
    0) ;;
    1) head -c 20 /dev/zero ;;
    2) printf 'torn-%s\r\n\0\0\0\0' "$2" ;;
    3) printf '\377\376\001' ;;
    4) printf '\r\n' ;;
  esac
}

holds 'DEL of everybody' everybody detach $(cat /tmp/alive.small)
holds 'the range is empty' test -z "$(leases small)"
attach small-x && detach small-x
for n in $(seq 2 14); do
  torn $((n % 5)) "$n" >$networks/small/10.51.0.$n
done
for kind in 0 1 2 3 4; do
  torn $kind 1 >$networks/small/last_reserved_ip.0
  torn $kind 1 >$networks/.flatnet/small/catalogue
  torn $kind 1 >$networks/.flatnet/small/0123456789abcde$kind.json
  holds "STATUS of a range of torn leases, $kind" status bridge "$(config small)"
  holds "ADD in it, $kind" attach "small-torn-$kind"
done
holds 'ADDs of all the rest' everybody attach $(numbered small-rest 1 2)
holds 'one more is refused' refused 102 'no IP addresses available' attach small-torn-more
holds 'what names somebody has kept its address' test -z "$(given small | grep -x -e '10.51.0.[2378]' -e '10.51.0.1[23]')"
holds 'no address is given twice' test -z "$(given small | sort | uniq -d)"
for kind in 0 1 2 3; do
  for record in /run/flatnet/small/bridge/*.json; do
    torn $kind 1 >"$record"
  done
  holds "DEL of a torn record, $kind" detach "small-torn-$kind"
  holds "and ADD of the same, $kind" attach "small-torn-$kind"
done
for network in wide small disk; do
  : >/tmp/alive.$network
  holds "$network: GC of everybody" collected $network
  holds "$network: no lease is left" test -z "$(leases $network)"
done
holds 'no port is left' test -z "$(on_node ip -o link show type veth)"
umount /var/lib/cni
