/** Rules of a packet filter are compared by what becomes of packets. Shell lines for life.ts. */

import { quoted } from '../../lib/testing/shell.js'
import type { Probe } from './factor.js'

/** Answers on TCP and UDP ports with the address that it sees. */
const SERVER = `
const plain = (address) => address.replace('::ffff:', '')
const ports = process.argv.slice(1)
let waiting = ports.length
const ready = () => { if (--waiting === 0) require('fs').writeSync(1, 'ready\\n') }
for (const [kind, port] of ports.map((text) => text.split('/'))) {
  if (kind === 'tcp') {
    require('net').createServer((socket) => {
      socket.on('error', () => {})
      socket.end('sees ' + plain(socket.remoteAddress ?? '') + '\\n')
    }).listen(Number(port), '::', ready)
    continue
  }
  const udp = require('dgram').createSocket('udp6')
  udp.on('message', (_, from) => udp.send('sees ' + plain(from.address) + '\\n', from.port, from.address))
  udp.bind(Number(port), '::', ready)
}`

/**
 * A node with an uplink, and outside a machine that knows the way back to the pods. Nobody looks for duplicates, or
 * IPv6 would not work for the first seconds of the reference's bridge.
 */
export function surroundings(probes: readonly Probe[]): string {
  if (!probes.some((probe) => probe !== 'spoof')) return ''
  return `
    for scope in all default; do echo 0 >/proc/sys/net/ipv6/conf/$scope/accept_dad; done
    new outside
    ip link add up0 type veth peer name eth0 netns $D/outside
    ip -batch - <<'END'
addr add 192.0.2.1/24 dev up0
addr add 2001:db8::1/64 dev up0 nodad
link set up0 addrgenmode none
link set up0 up
END
    nsenter --net=$D/outside ip -batch - <<'END'
link set lo up
addr add 192.0.2.9/24 dev eth0
addr add 2001:db8::9/64 dev eth0 nodad
link set eth0 up
route add 10.0.0.0/8 via 192.0.2.1
route add fd00::/8 via 2001:db8::1
END
    ip route add default via 192.0.2.9; ip route add ::/0 via 2001:db8::9`
}

/** What is asked after ADD; each answer is a line `what: answer`. */
export function probeLines(probes: readonly Probe[]): string {
  if (probes.length === 0) return ''
  return [COMMON, ...[...new Set(probes)].map((probe) => LINES[probe])].join('\n')
}

const COMMON = `
    serve() { # namespace, ports
      : >$D/ready
      nsenter --net=$D/$1 ${quoted(process.execPath)} -e ${quoted(SERVER)} -- $2 >$D/ready 2>/dev/null &
      SERVERS="$SERVERS $!"
      for n in $(seq 300); do [ -s $D/ready ] && break; sleep 0.01; done
    }
    ask() { # what, namespace, address, port, protocol
      printf '%s: ' "$1"
      nsenter --net=$2 timeout 1.5 bash -c "exec 3<>/dev/\${5:-tcp}/$3/$4 && echo >&3; dd bs=4096 count=1 <&3 2>/dev/null" 2>/dev/null || echo nothing
    }
    own() { inside ip -$1 -o addr show dev $CNI_IFNAME scope global | awk '{ sub("/.*", "", $4); print $4; exit }'; }`

const LINES: Readonly<Record<Probe, string>> = {
  masquerade: `
    serve outside 'tcp/7000 udp/7000'
    [ "$(own 4)" ] && { ask 'masquerade TCP' $D/pod 192.0.2.9 7000; ask 'masquerade UDP' $D/pod 192.0.2.9 7000 udp; }
    [ "$(own 6)" ] && { ask 'masquerade TCP IPv6' $D/pod 2001:db8::9 7000; ask 'masquerade UDP IPv6' $D/pod 2001:db8::9 7000 udp; }`,
  ports: `
    serve pod 'tcp/80 udp/53 tcp/81'
    mapped() { case "$(cat $D/config.1)" in *"\\"hostPort\\":$1,"*) ;; *) false ;; esac; }
    for port in 8080 9007 65535; do
      mapped $port || [ $port = 8080 ] || continue
      ask "port $port from outside" $D/outside 192.0.2.1 $port
      ask "port $port from outside, IPv6" $D/outside 2001:db8::1 $port
    done
    if mapped 8080; then
      ask 'port 8080 from the host' /proc/self/ns/net 192.0.2.1 8080
      ask 'port 8080 from the host by the bridge' /proc/self/ns/net 10.1.0.1 8080
      ask 'port 8080 from the host by localhost' /proc/self/ns/net 127.0.0.1 8080
      ask 'port 8080 from the host, IPv6' /proc/self/ns/net 2001:db8::1 8080
      ask 'port 8080 from the container' $D/pod 192.0.2.1 8080
      ask 'port 8080 from the container, IPv6' $D/pod 2001:db8::1 8080
    fi
    if mapped 5353; then
      ask 'port 5353 from outside' $D/outside 192.0.2.1 5353 udp
      ask 'port 5353 from outside, IPv6' $D/outside 2001:db8::1 5353 udp
    fi`,
  forward: `
    new third; ip link add br9 type bridge; ip link add v9 type veth peer name eth0 netns $D/third
    ip -batch - <<'END'
link set v9 master br9
addr add 10.9.9.1/24 dev br9
addr add fd09::1/64 dev br9 nodad
link set br9 up
link set v9 up
END
    nsenter --net=$D/third ip -batch - <<'END'
link set eth0 up
addr add 10.9.9.2/24 dev eth0
addr add fd09::2/64 dev eth0 nodad
route add default via 10.9.9.1
route add ::/0 via fd09::1
END
    serve outside 'tcp/7000 udp/7000'; serve pod 'tcp/7000 udp/7000'
    for family in 4 6; do
      address=$(own $family); [ "$address" ] || continue
      [ $family = 4 ] && { outside=192.0.2.9; } || outside=2001:db8::9
      ask "IPv$family from the container" $D/pod $outside 7000
      ask "IPv$family from the container, UDP" $D/pod $outside 7000 udp
      ask "IPv$family from outside" $D/outside $address 7000
      ask "IPv$family from another bridge" $D/third $address 7000
      ask "IPv$family from the host" /proc/self/ns/net $address 7000
    done`,
  spoof: `
    # Addresses of the probe's own, for there may be none; and all as it was afterwards.
    ip addr add 10.99.99.1/30 dev $BRIDGE; inside ip addr add 10.99.99.2/30 dev $CNI_IFNAME
    hello() { inside ping -n -q -c 1 -W 1 10.99.99.1 >/dev/null 2>&1 && echo "$1: answered" || echo "$1: nothing"; }
    mac=$(inside ip -o link show $CNI_IFNAME | sed 's/.*ether \\([^ ]*\\).*/\\1/')
    hello 'frames of the container'
    inside ip link set $CNI_IFNAME address 02:00:00:00:66:66; hello 'frames of another MAC'
    inside ip link set $CNI_IFNAME address $mac
    ip addr del 10.99.99.1/30 dev $BRIDGE; inside ip addr del 10.99.99.2/30 dev $CNI_IFNAME`,
}
