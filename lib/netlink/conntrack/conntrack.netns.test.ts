/** Against the kernel, with conntrack(8) as the witness. */

import { fileURLToPath } from 'node:url'
import t from 'tap'
import { packForEngine } from '../../testing/engine.js'
import { Netns, needs } from '../../testing/netns.js'

const UDP = 17
const ip = (text: string) => ({ ip: text })

t.test('connections are counted, listed and forgotten', { skip: needs('root') }, async (t) => {
  const module = fileURLToPath(new URL('../../testing/netlink-driver.js', import.meta.url))
  const driver = await packForEngine(module, t.testdir({}), 'driver')
  const host = Netns.create(t)
  host.run('nft', 'table inet x { chain a { type filter hook output priority 0; ct state new counter; }; }')
  host.run('nft', 'table ip y { chain b { type nat hook output priority -100; udp dport 55 dnat to 192.0.2.3:5; }; }')
  for (const address of ['192.0.2.1/32', '192.0.2.2/32', '192.0.2.3/32', '2001:db8::1/128', '2001:db8::2/128'])
    host.run('ip', 'addr', 'add', address, 'dev', 'lo', ...(address.includes(':') ? ['nodad'] : []))

  const conntrack = (verb: string, ...args: unknown[]) => {
    const input = JSON.stringify(['conntrack', verb, ...args])
    const { value, error } = JSON.parse(host.try([driver], { input }).stdout)
    if (error !== undefined) throw new Error(error)
    return value
  }
  /** Destinations as conntrack(8) lists them, `192.0.2.1 53`. */
  const listed = () =>
    [4, 6].flatMap((family) =>
      host
        .run('conntrack', '-L', '-p', 'udp', '-f', `ipv${family}`)
        .split('\n')
        .map((line) => /dst=(\S+) sport=\d+ dport=(\d+)/.exec(line))
        .flatMap((found) => (found === null ? [] : [`${found[1]} ${found[2]}`]))
        .sort(),
    )
  const send = (...destinations: string[]) => {
    for (const destination of destinations) host.run('bash', '-c', `echo >/dev/udp/${destination.replace(' ', '/')}`)
  }
  const all = ['192.0.2.1 53', '192.0.2.1 54', '192.0.2.1 55', '192.0.2.2 53', '2001:db8::1 53', '2001:db8::2 53']
  const six = all.slice(4)
  const reset = () => {
    host.run('conntrack', '-F')
    send(...all)
    t.same(listed(), all)
  }

  reset()
  t.equal(conntrack('count'), 6)
  t.match(conntrack('list', { family: 4, protocol: UDP, destinationPort: 55 }), [
    {
      original: { destination: '192.0.2.1', destinationPort: 55, protocol: UDP },
      reply: { source: '192.0.2.3', sourcePort: 5 },
    },
  ])
  t.equal(conntrack('list', { family: 4, protocol: UDP }).length, 4)
  t.equal(conntrack('list', { family: 6, protocol: UDP, destinationPort: 53 }).length, 2)

  t.equal(conntrack('forgetListed', { family: 4, protocol: UDP, destinationPort: 53 }), 0, 'no failure')
  t.same(listed(), ['192.0.2.1 54', '192.0.2.1 55', ...six], 'one by one')

  const base = { family: 4, protocol: UDP }
  if (!conntrack('forgetAll', [{ ...base, destinationPort: 1 }])) {
    t.comment('this kernel cannot select what to forget')
    return
  }
  for (const [what, doomed, left] of [
    ['of a port', { ...base, destinationPort: 53 }, ['192.0.2.1 54', '192.0.2.1 55', ...six]],
    [
      'of an address and port',
      { ...base, destination: ip('192.0.2.2'), destinationPort: 53 },
      ['192.0.2.1 53', '192.0.2.1 54', '192.0.2.1 55', ...six],
    ],
    [
      'answered by somebody',
      { ...base, destinationPort: 55, answeredBy: { address: ip('192.0.2.3'), port: 5 } },
      ['192.0.2.1 53', '192.0.2.1 54', '192.0.2.2 53', ...six],
    ],
    [
      'answered by somebody else',
      { ...base, destinationPort: 55, answeredBy: { address: ip('192.0.2.4'), port: 5 } },
      all,
    ],
    ['of IPv6', { family: 6, protocol: UDP, destinationPort: 53 }, all.slice(0, 4)],
    ['of another protocol', { ...base, protocol: 132, destinationPort: 53 }, all],
  ] as const) {
    reset()
    t.equal(conntrack('forgetAll', [doomed]), true, what)
    t.same(listed(), left, what)
  }

  reset()
  const named = { family: 6, protocol: UDP, destination: ip('2001:db8::1'), destinationPort: 53 }
  t.equal(conntrack('forgetAll', [named]), true)
  const rest = listed().slice(-1)
  if (rest[0] === '2001:db8::2 53') t.comment('this kernel compares IPv6 addresses the right way round')
  else t.same(rest, ['2001:db8::1 53'], 'of IPv6 addresses the kernel takes all but the one: nobody may ask it by them')
})
