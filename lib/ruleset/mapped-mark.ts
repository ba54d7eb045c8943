/**
 * The bit of a packet's mark that says: of a connection whose destination was rewritten to a container here, on its way
 * to or from that container. While it is routed such a packet shows the container's address, though it belongs to this
 * host's: whoever routes by a container's address must leave these out (lib/nodes does).
 *
 * Others' bits: kube-proxy 0xc000, reference portmap 0x2000, netavark 0x3000, kube-router 0x34000, Weave 0x60000,
 * Tailscale 0xff0000, Calico from 0x10000 on up and 0x0f000000 with eBPF, Cilium 0xffff0f00.
 */
export const MAPPED = 0x20000000
