/** What is ours in the kernel, told from everything else: routes and rules by protocol number, devices by alias. */

/** `proto` of every route and rule made here. No registered user (iproute2's rt_protos). */
export const OWN_PROTOCOL = 70

/** Metric of the routes that stop packets for unassigned pod addresses: every other route wins. */
export const UNREACHABLE_METRIC = 9999

/** The metric the kernel gives an IPv6 route without one. */
export const IPV6_METRIC = 1024

/** Tables of our own, one a VXLAN network: this number plus the VNI. */
export const TABLE_BASE = 1_000_000_000

/** Where our rules stand: before the main table's, which is 32766. */
export const RULE_PRIORITY = 30000

/** UDP port of flannel's VXLAN, and the kernel's default. */
export const VXLAN_PORT = 8472
