# Claims, nodes and pods for the tests in this folder. Each test makes a node of its own.

CNI_BIN=/opt/cni/bin

# busybox's shell prefers its own.
ip() {
  /usr/sbin/ip "$@"
}

bridge() {
  /usr/sbin/bridge "$@"
}

# step NAME: says on the console what runs now. boot.sh shows it only where the machine does not come to its end.
step() {
  read -r uptime _ </proc/uptime
  echo "> $uptime s: $1"
}

# claim VERDICT TEXT: counts it, and shows it with the seconds since the boot. VERDICT is `ok` or `not ok`.
claim() {
  read -r uptime _ </proc/uptime
  echo "$1 $2" >>/tmp/claims
  printf '  %-6s %6.1f  %s\n' "$1" "$uptime" "$2"
}

# holds CLAIM COMMAND...: the command succeeds.
holds() {
  claim=$1
  shift
  step "$claim"
  if output=$("$@" 2>&1); then
    claim ok "$claim"
  else
    claim 'not ok' "$claim"
    echo "$ $*"
    echo "$output" | head -n 20
  fi
}

# summary: what the claims so far came to.
summary() {
  echo "$(grep -c '^ok' /tmp/claims) passed, $(grep -c '^not ok' /tmp/claims) failed"
}

fails() {
  ! "$@"
}

# node NAME: a namespace to be a machine in; the tests that follow run in it.
node() {
  NODE=$1
  ip netns add "$NODE"
  on_node ip link set lo up
}

on_node() {
  ip netns exec "$NODE" "$@"
}

# pod NAME CONFIG: a container attached with one plugin's configuration. The result is /tmp/NAME.result, what was said
# besides is /tmp/NAME.said.
pod() {
  [ -e "/run/netns/$1" ] || ip netns add "$1"
  printf '%s' "$2" >"/tmp/$1.config"
  cni ADD "$1" <"/tmp/$1.config" >"/tmp/$1.result" 2>"/tmp/$1.said" && return
  cat "/tmp/$1.result" "/tmp/$1.said"
  return 1
}

# unpod NAME: detaches it; the namespace stays.
unpod() {
  cni DEL "$1" <"/tmp/$1.config"
}

# check NAME: CHECK with what ADD answered.
check() {
  with_result "$1" "$1" | cni CHECK "$1"
}

# with_result CONFIG POD: CONFIG's configuration with what the pod's ADD answered.
with_result() {
  config=$(cat "/tmp/$1.config")
  printf '%s, "prevResult": %s }' "${config%\}*}" "$(cat "/tmp/$2.result")"
}

# chain POD PLUGIN CONFIG: ADD of another plugin after the pod's own.
chain() {
  printf '%s' "$3" >"/tmp/$1.$2.config"
  with_result "$1.$2" "$1" | cni ADD "$1" "$2"
}

# unchain POD PLUGIN: its DEL; check_chain POD PLUGIN: its CHECK.
unchain() {
  with_result "$1.$2" "$1" | cni DEL "$1" "$2"
}

check_chain() {
  with_result "$1.$2" "$1" | cni CHECK "$1" "$2"
}

# port NAME: the host's end of a pod, by the alias it carries.
port() {
  on_node ip -o link show type veth | grep "/$1 eth0" | sed 's/^[0-9]*: \([^@]*\)@.*/\1/'
}

# cni COMMAND POD [PLUGIN]: one call as a runtime makes it, of the plugin that the pod's configuration names.
cni() {
  plugin=${3:-$(grep -o '"type": *"[^"]*"' "/tmp/$2.config" | head -n 1 | cut -d '"' -f 4)}
  on_node env CNI_COMMAND="$1" CNI_CONTAINERID="$2" CNI_NETNS="/run/netns/$2" CNI_IFNAME=eth0 CNI_PATH="$CNI_BIN" \
    $CNI_BIN/"$plugin"
}

# status PLUGIN CONFIG, collect PLUGIN CONFIG: STATUS, and GC of a network that has no attachment any more.
status() {
  printf '%s' "$2" | on_node env CNI_COMMAND=STATUS CNI_PATH="$CNI_BIN" $CNI_BIN/"$1"
}

collect() {
  printf '%s, "cni.dev/valid-attachments": [] }' "${2%\}*}" | on_node env CNI_COMMAND=GC CNI_PATH="$CNI_BIN" $CNI_BIN/"$1"
}

# refused CODE TEXT COMMAND...: the plugin fails with this code, and what it says has TEXT.
refused() {
  code=$1 text=$2
  shift 2
  answer=$("$@" 2>&1) && { echo "it succeeded: $answer"; return 1; }
  echo "$answer"
  echo "$answer" | grep -q "\"code\": *$code\b" && echo "$answer" | grep -q "$text"
}

# in_pod NAME COMMAND...
in_pod() {
  name=$1
  shift
  ip netns exec "$name" "$@"
}

# address POD INTERFACE ADDRESS
address() {
  in_pod "$1" ip addr add "$3" dev "$2" && in_pod "$1" ip link set "$2" up
}

# reaches POD ADDRESS: within two seconds.
reaches() {
  in_pod "$1" ping -q -c 2 -i 0.2 -W 1 "$2"
}

# echoes POD: echo requests it has received.
echoes() {
  in_pod "$1" awk '/^Icmp:/ { if (seen) print $10 + 0; else for (i = 1; i <= NF; i++) seen = 1 }' /proc/net/snmp
}

# on_node_says TEXT COMMAND...: its output has TEXT.
on_node_says() {
  text=$1
  shift
  on_node "$@" | grep -q "$text"
}
