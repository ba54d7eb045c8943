import { all, any, having, not, of, type Rule, refusesWith, where } from './rule.js'

export const LOOPBACK: readonly Rule[] = [
  {
    name: 'results have the shape of their version',
    reason: 'the reference’s loopback prints the shape of 1.0.0 in every version',
    covers: all(
      of('loopback'),
      where(/^ADD result\.(ips\.\d\.version|dns|ip4|ip6|interfaces|ips|cniVersion)/),
      not(having('cniVersion', '1.0.0', '1.1.0')),
    ),
  },
  refusesWith(
    7,
    'a result before 0.3.0 has an address',
    'it has no room for anything else; the reference’s loopback passes an empty one on',
    all(
      of('loopback'),
      having('cniVersion', '0.1.0', '0.2.0', 'unset', '""', 'null'),
      not(having('prevResult', 'unset', 'null')),
    ),
  ),
  {
    name: 'lo keeps the address that the kernel gave it',
    reason: 'it was up for a moment, in an ADD that failed later than the reference’s',
    covers: all(
      of('loopback'),
      ({ bothFailed }) => bothFailed,
      where(/^(ADD|DEL) container (address lo 127\.0\.0\.1\/8|route local \w+ 127\.\S+ via {2}dev lo)/, /./, null),
    ),
  },
  {
    name: 'CHECK of loopback looks at the addresses',
    reason: 'the previous result names them; the reference looks at the flag only',
    covers: all(of('loopback'), any(where(/^CHECK status$/, /^1$/, /^0$/), where(/^CHECK error code$/, /^100$/, null))),
  },
]
