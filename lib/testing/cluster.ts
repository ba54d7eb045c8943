/**
 * A cluster of nodes as network namespaces on switched segments: each node with its own state directory, table of
 * nodes and pods; pods made by hand with `ip`, so that what is tested is only what joins the nodes.
 */

import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Answer, BIN, type Command, call, environment, expectSuccess, type Json } from './cni.js'
import { Netns, type Output, type Owner } from './netns.js'

export interface NodeSpec {
  readonly name: string
  /** With prefix length: `10.9.0.1/24`. */
  readonly addresses: readonly string[]
  readonly podCIDRs: readonly string[]
  /** Which segment it is on; default 0. */
  readonly segment?: number
  /** More members of its entry in the table. */
  readonly entry?: Json
}

export interface ClusterOptions {
  /** Of the underlay; default 1500. */
  readonly mtu?: number
  /** Strict reverse-path filters on every link of every node. */
  readonly strict?: boolean
  /** Whether pods go by this default gateway on the bridge; default yes. */
  readonly pods?: boolean
}

/** As long as a link-local address is tentative, its link forwards no IPv6. */
function makeNetns(t: Owner, name: string): Netns {
  return Netns.create(t, name, { duplicates: false })
}

export class Pod {
  constructor(
    readonly node: ClusterNode,
    readonly netns: Netns,
    readonly id: string,
    readonly ifName: string,
    readonly prevResult: Json,
  ) {}

  get addresses(): string[] {
    return (this.prevResult.ips as { address: string }[]).map(({ address }) => address.split('/')[0] as string)
  }

  address(family: 4 | 6): string {
    return this.addresses.find((address) => address.includes(':') === (family === 6)) as string
  }
}

export class ClusterNode {
  readonly pods: Pod[] = []
  readonly directory: string
  #count = 0

  constructor(
    readonly t: Owner,
    public spec: NodeSpec,
    readonly host: Netns,
    readonly options: ClusterOptions,
  ) {
    this.directory = mkdtempSync(join(tmpdir(), `flatnet-${spec.name}-`))
    t.teardown(() => rmSync(this.directory, { recursive: true, force: true }))
  }

  get name(): string {
    return this.spec.name
  }

  get stateDir(): string {
    return `${this.directory}/run`
  }

  get nodesFile(): string {
    return `${this.directory}/nodes.json`
  }

  /** Its own addresses, without prefix lengths. */
  get addresses(): string[] {
    return this.spec.addresses.map((address) => address.split('/')[0] as string)
  }

  /** Replaces the table of nodes as one should: by renaming. */
  writeTable(nodes: readonly Json[]): void {
    mkdirSync(this.directory, { recursive: true })
    writeFileSync(`${this.nodesFile}.new`, JSON.stringify({ nodes }))
    renameSync(`${this.nodesFile}.new`, this.nodesFile)
  }

  config(plugin: Json): Json {
    return { cniVersion: '1.1.0', name: 'podnet', stateDir: this.stateDir, nodesFile: this.nodesFile, ...plugin }
  }

  /** A pod on the node's bridge, as an interface plugin would have left it. */
  makePod(ifName = 'eth0'): Pod {
    const at = ++this.#count
    const id = `${this.name}p${at}`
    const netns = makeNetns(this.t, id)
    const link = `veth${at}`
    const mtu = this.options.mtu ?? 1500
    this.host.batch(
      `link add ${link} mtu ${mtu} master cni0 type veth peer ${ifName} netns ${netns.path} mtu ${mtu}`,
      `link set ${link} up`,
    )
    const lines = [`link set ${ifName} up`]
    const ips: Json[] = []
    for (const cidr of this.spec.podCIDRs) {
      const [base = '', length] = cidr.split('/')
      const address = nth(base, at + 1)
      lines.push(addressed('add', `${address}/${length}`, ifName))
      lines.push(`route add ${everywhere(base)} via ${nth(base, 1)}`)
      ips.push({ address: `${address}/${length}`, gateway: nth(base, 1), interface: 2 })
    }
    netns.batch(...lines)
    const interfaces = [
      { name: 'cni0', mac: '02:00:00:00:00:01' },
      { name: link, mac: '02:00:00:00:00:02', mtu },
      { name: ifName, mac: '02:00:00:00:00:03', mtu, sandbox: netns.path },
    ]
    const pod = new Pod(this, netns, id, ifName, { cniVersion: '1.1.0', interfaces, ips })
    this.pods.push(pod)
    return pod
  }

  call(command: Command, plugin: Json, pod?: Pod, prevResult: Json = pod?.prevResult): Answer {
    const config = {
      ...this.config(plugin),
      ...(prevResult === undefined || prevResult === null ? {} : { prevResult }),
    }
    const netns = pod === undefined ? {} : { netns: pod.netns, containerId: pod.id, ifName: pod.ifName }
    return call({ command, host: this.host, config, ...netns })
  }

  /** ADD that must succeed, for a new pod unless one is given. */
  add(plugin: Json, pod = this.makePod()): Answer {
    return expectSuccess(`ADD on ${this.name}`, this.call('ADD', plugin, pod))
  }

  /** As `call`, beside others. */
  start(command: Command, plugin: Json, pod: Pod): Promise<Output> {
    const config = { ...this.config(plugin), prevResult: pod.prevResult }
    const request = { command, host: this.host, config, netns: pod.netns, containerId: pod.id, ifName: pod.ifName }
    const child = this.host.start([`${BIN}/${config.type}`], { env: environment(request) })
    child.stdin?.end(JSON.stringify(config))
    let stdout = ''
    let stderr = ''
    child.stdout?.on('data', (data) => {
      stdout += String(data)
    })
    child.stderr?.on('data', (data) => {
      stderr += String(data)
    })
    return new Promise((resolve) => child.on('close', (status) => resolve({ status: status ?? 128, stdout, stderr })))
  }

  /** The node has other addresses from now on. */
  readdress(addresses: readonly string[]): void {
    for (const address of this.spec.addresses) this.host.run('ip', 'addr', 'del', address, 'dev', 'eth0')
    this.spec = { ...this.spec, addresses }
    this.address()
  }

  /** Gives the uplink its addresses, and default routes to a router that may come later. */
  address(): void {
    const { addresses, segment = 0 } = this.spec
    const lines = addresses.flatMap((address) => {
      const gateway = address.includes(':') ? `fd09:${segment}::fe` : `10.9.${segment}.254`
      return [addressed('replace', address, 'eth0'), `route replace ${everywhere(address)} via ${gateway} dev eth0`]
    })
    this.host.batch(...lines)
  }

  /** The node's pods have other addresses from now on: the bridge is renumbered, and the pods go. */
  renumber(podCIDRs: readonly string[]): void {
    this.host.batch(
      ...this.spec.podCIDRs.map((cidr) => `addr del ${onBridge(cidr)} dev cni0`),
      ...podCIDRs.map((cidr) => addressed('add', onBridge(cidr), 'cni0')),
    )
    this.spec = { ...this.spec, podCIDRs }
    for (const { netns } of this.pods.splice(0)) netns.remove()
  }

  sync(plugin: Json, bridge: Json = { type: 'bridge' }): Answer {
    const file = `${this.directory}/conflist`
    const { cniVersion, name, ...own } = this.config(plugin)
    writeFileSync(file, JSON.stringify({ cniVersion, name, plugins: [bridge, own] }))
    const output = this.host.try([`${BIN}/flatnet`, 'sync', '--json', file])
    return { ...output, json: output.stdout === '' ? undefined : JSON.parse(output.stdout) }
  }
}

export class Cluster {
  readonly nodes: ClusterNode[] = []

  constructor(
    readonly t: Owner,
    readonly options: ClusterOptions = {},
  ) {}

  /** The table as it is now, of all nodes. */
  table(): Json[] {
    return this.nodes.map(({ spec, addresses }) => ({
      name: spec.name,
      addresses,
      podCIDRs: spec.podCIDRs,
      ...spec.entry,
    }))
  }

  /** Gives every node the table. */
  tell(nodes = this.table()): void {
    for (const node of this.nodes) node.writeTable(nodes)
  }

  get pods(): Pod[] {
    return this.nodes.flatMap(({ pods }) => pods)
  }

  #segments: Netns[] = []
  #router: Netns | undefined

  /** A switch in a namespace of its own. With a second one comes a router between them. */
  #segment(at: number): Netns {
    while (this.#segments.length <= at) {
      const number = this.#segments.length
      const segment = makeNetns(this.t, `segment${number}`)
      segment.batch(`link add switch mtu ${this.options.mtu ?? 1500} type bridge`, 'link set switch up')
      this.#segments.push(segment)
      if (number > 0) this.#connectRouter(number)
    }
    return this.#segments[at] as Netns
  }

  /** The router is host 254 (v4) and fe (v6) of each segment: 10.9.<segment>.254/24, fd09:<segment>::fe/64. */
  #connectRouter(number: number): void {
    if (this.#router === undefined) {
      this.#router = makeNetns(this.t, 'router')
      this.#router.run('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1')
      this.#plug(this.#router, 0, 'leg0', ['10.9.0.254/24', 'fd09:0::fe/64'])
    }
    this.#plug(this.#router, number, `leg${number}`, [`10.9.${number}.254/24`, `fd09:${number}::fe/64`])
  }

  #ports = 0

  /** A link from a machine to a segment's switch. */
  #plug(machine: Netns, segment: number, name: string, addresses: readonly string[]): void {
    const port = `port${++this.#ports}`
    const mtu = this.options.mtu ?? 1500
    this.#segments[segment]?.batch(
      `link add ${port} mtu ${mtu} master switch type veth peer ${name} netns ${machine.path} mtu ${mtu}`,
      `link set ${port} up`,
    )
    machine.batch(`link set ${name} up`, ...addresses.map((address) => addressed('add', address, name)))
  }

  addNode(spec: NodeSpec): ClusterNode {
    const segment = spec.segment ?? 0
    this.#segment(segment)
    const host = makeNetns(this.t, spec.name)
    if (this.options.strict === true)
      host.run('sysctl', '-qw', 'net.ipv4.conf.all.rp_filter=1', 'net.ipv4.conf.default.rp_filter=1')
    this.#plug(host, segment, 'eth0', [])
    // A hardware address of its own: else it would be that of some pod's link, and change with the pods.
    const mac = `02:00:00:00:00:${(this.nodes.length + 1).toString(16).padStart(2, '0')}`
    host.batch(
      `link add cni0 address ${mac} mtu ${this.options.mtu ?? 1500} type bridge`,
      'link set cni0 up',
      ...spec.podCIDRs.map((cidr) => addressed('add', onBridge(cidr), 'cni0')),
    )
    const node = new ClusterNode(this.t, spec, host, this.options)
    node.address()
    this.nodes.push(node)
    return node
  }

  /** Everybody pings everybody: pods (`from` all, or only these) to pods and nodes, nodes to pods. What does not answer, as `from -> to`. */
  unreachable(from: readonly Pod[] = this.pods): string[] {
    const targets = [
      ...this.pods.flatMap(({ addresses }) => addresses),
      ...this.nodes.flatMap(({ addresses }) => addresses),
    ]
    const podFamilies = (addresses: readonly string[]) => new Set(addresses.map((address) => address.includes(':')))
    const lost: string[] = []
    for (const pod of from) {
      const families = podFamilies(pod.addresses)
      lost.push(
        ...silent(
          pod.netns,
          pod.id,
          targets.filter((target) => families.has(target.includes(':'))),
        ),
      )
    }
    for (const node of this.nodes)
      lost.push(
        ...silent(
          node.host,
          node.name,
          this.pods.flatMap(({ addresses }) => addresses),
        ),
      )
    return lost
  }
}

/** One shell with all pings at once. */
function silent(from: Netns, name: string, targets: readonly string[]): string[] {
  const script = targets
    .map((to) => `(ping -n -c1 -W3 ${to} >/dev/null 2>&1 || ping -n -c1 -W10 ${to} >/dev/null 2>&1 || echo ${to}) &`)
    .join('\n')
  const { stdout } = from.try(['sh', '-c', `${script}\nwait`])
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((to) => `${name} -> ${to}`)
}

/** A line for `ip -batch` that gives a link an address, with its prefix length. */
function addressed(verb: 'add' | 'replace', address: string, link: string): string {
  return `addr ${verb} ${address} dev ${link}${address.includes(':') ? ' nodad' : ''}`
}

/** The default route's destination, of an address's family. */
function everywhere(address: string): string {
  return address.includes(':') ? '::/0' : '0.0.0.0/0'
}

/** The bridge's address in a pod CIDR. */
function onBridge(cidr: string): string {
  const [base = '', length] = cidr.split('/')
  return `${nth(base, 1)}/${length}`
}

/** The n-th address of a subnet with this base. */
function nth(base: string, n: number): string {
  return base.includes(':')
    ? `${base}${n.toString(16)}`
    : base.slice(0, base.lastIndexOf('.') + 1) + String(Number(base.split('.')[3]) + n)
}
