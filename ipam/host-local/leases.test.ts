import { createHash } from 'node:crypto'
import t from 'tap'
import { addToAddress, formatAddress, type IpAddress, parseAddress } from '../../lib/ip/address.js'
import { buildCatalogue, searchCatalogue } from './catalogue.js'
import { addressOfName, formatHolder, type Holder, isUnspeakable, parseHolder } from './leases.js'
import { isOver, parseRecord } from './records.js'
import { formatTime } from './time.js'

const decode = (bytes: Uint8Array) => {
  try {
    return new TextDecoder('utf8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}
const holder = (text: string) => parseHolder(new TextEncoder().encode(text), decode)

t.test('a holder survives being written, whoever wrote it', async (t) => {
  t.equal(formatHolder({ containerId: 'c1', ifName: 'eth0' }), 'c1\r\neth0')
  t.same(holder('c1\r\neth0'), { containerId: 'c1', ifName: 'eth0' })
  t.same(holder(' c1\r\neth0\n'), { containerId: 'c1', ifName: 'eth0' }, 'trimmed, as the reference does')
  t.same(holder('c1\n'), { containerId: 'c1', ifName: '' }, 'the old form')
})

t.test('a lease is damaged where it is empty, blank or NULs, and not by what bytes its names have', async (t) => {
  for (const content of ['', '\r\n', '  ', '\0\0\0\0', ' \0\0\n\0 ']) {
    t.equal(holder(content), 'damaged', JSON.stringify(content))
  }
  const eth = (ifName: string) => ({ containerId: 'c1', ifName })
  t.same(holder('c1\r\neth\x7f'), eth('eth\x7f'))
  t.same(holder('c1\r\nä ö'), eth('ä ö'))
  t.same(holder('c1\r\na\r\nb'), eth('a\r\nb'))
  t.same(holder('c1\r\neth0\0\0'), eth('eth0\0\0'), 'torn behind, but somebody is named')
  t.same(holder('c1\rx\r\neth0'), { containerId: 'c1\rx', ifName: 'eth0' })
})

t.test('names that are no UTF-8 differ from each other and from every text', async (t) => {
  const lease = (...bytes: number[]) => parseHolder(Uint8Array.from([99, 49, 13, 10, ...bytes]), decode) as Holder
  const [a, b] = [lease(0x65, 0xff), lease(0x65, 0xfe)]
  t.not(a.ifName, b.ifName)
  t.same(lease(0x65, 0xff), a)
  for (const { ifName } of [a, b]) t.ok(isUnspeakable(ifName))
  for (const name of ['eth0', 'e\u00ff', 'e\ufffd', '\u{10fcfe}', '']) t.notOk(isUnspeakable(name), name)
})

t.test('addressOfName() takes canonical addresses and nothing else', async (t) => {
  for (const name of ['10.1.2.3', 'fd00::2', '::1']) t.equal(formatAddress(addressOfName(name) as IpAddress), name)
  for (const name of [
    'lock',
    'last_reserved_ip.0',
    '10.1.2',
    '10.1.2.03',
    'fd00:0::2',
    'FD00::2',
    '::ffff:10.1.2.3',
    '1x',
  ]) {
    t.equal(addressOfName(name), undefined, name)
  }
})

const sha = (text: string) => new Uint8Array(createHash('sha256').update(text).digest())
const boot = sha('a boot')

function reader(file: Uint8Array) {
  const reads: number[] = []
  const read = (offset: number, length: number) => {
    reads.push(length)
    return file.subarray(offset, offset + length)
  }
  return { read, reads }
}

t.test('a catalogue finds every lease by three small reads', async (t) => {
  const v4 = parseAddress('10.0.0.0') as IpAddress
  const v6 = parseAddress('fd00::') as IpAddress
  for (const n of [1, 2, 63, 64, 65, 20_000]) {
    const catalogue = buildCatalogue()
    for (let at = 0; at < n; at++) {
      catalogue.add(sha(`c${at}`), addToAddress(v4, at))
      if (at % 3 === 0) catalogue.add(sha(`c${at}`), addToAddress(v6, at))
    }
    const { read, reads } = reader(catalogue.finish(boot))
    let wrong = 0
    for (let at = 0; at < n; at++) {
      const expected = [formatAddress(addToAddress(v4, at))]
      if (at % 3 === 0) expected.push(formatAddress(addToAddress(v6, at)))
      const found = searchCatalogue(read, [sha(`c${at}`)], boot)?.map(formatAddress)
      if (JSON.stringify(found) !== JSON.stringify(expected)) wrong++
    }
    t.equal(wrong, 0, `${n} leases`)
    t.same(searchCatalogue(read, [sha('nobody')], boot), [])
    t.ok(Math.max(...reads) < 4096, `largest read ${Math.max(...reads)}`)
    t.ok(reads.length <= (n + 1) * 3)
  }
})

t.test('a catalogue that is damaged or of an earlier boot is not trusted', async (t) => {
  const catalogue = buildCatalogue()
  catalogue.add(sha('c1'), parseAddress('10.0.0.1') as IpAddress)
  const file = catalogue.finish(boot)
  t.equal(searchCatalogue(reader(file).read, [sha('c1')], sha('another boot')), undefined)
  t.equal(searchCatalogue(reader(new Uint8Array()).read, [sha('c1')], boot), undefined, 'empty')
  t.equal(searchCatalogue(reader(new Uint8Array(file.length)).read, [sha('c1')], boot), undefined, 'zeros')
  t.equal(searchCatalogue(reader(file.subarray(0, 18)).read, [sha('c1')], boot), undefined, 'cut')
})

t.test('parseRecord() of damage has no addresses', async (t) => {
  for (const text of ['', '{', 'null', '{"version":2,"addresses":["10.0.0.1"]}', '{"version":1,"addresses":5}']) {
    t.same(parseRecord(text).addresses, [], text)
  }
  t.match(parseRecord('{"version":1,"containerId":"c1","addresses":["10.0.0.1",5],"time":7}'), {
    containerId: 'c1',
    addresses: ['10.0.0.1'],
    time: 7,
    boot: '',
  })
})

t.test('isOver() only where both lives are known and differ', async (t) => {
  const now = { boot: 'b', node: '1' }
  t.equal(isOver(now, now), false)
  t.equal(isOver({ boot: 'a', node: '1' }, now), true)
  t.equal(isOver({ boot: 'b', node: '2' }, now), true)
  t.equal(isOver({ boot: '', node: '' }, now), false, 'a damaged record')
  t.equal(isOver({ boot: 'a', node: '1' }, { boot: '', node: '' }), false, 'no /proc, no cookie')
})

t.test('formatTime() agrees with Date', async (t) => {
  for (const time of [0, 951782399999, 951782400000, 1709164800000, 1709251199000, 4102444800000, 1795244114763]) {
    t.equal(formatTime(time), `${new Date(time).toISOString().slice(0, 19)}Z`)
  }
})
