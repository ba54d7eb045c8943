import t from 'tap'
import { parseResolvConf } from './resolv-conf.js'

t.test('parseResolvConf() reads what a result can carry', async (t) => {
  const text = [
    '# generated',
    '; by hand',
    '',
    'nameserver 192.0.2.1 192.0.2.9',
    '  nameserver\t2001:db8::1  ',
    'domain one.example',
    'domain two.example',
    'search a.example\tb.example',
    'search c.example',
    'options ndots:5 timeout:1',
    'options rotate',
    'sortlist 192.0.2.0',
    'nameserver',
    'unknown',
  ].join('\n')
  t.same(parseResolvConf(text), {
    nameservers: ['192.0.2.1', '2001:db8::1'],
    domain: 'two.example',
    search: ['a.example', 'b.example', 'c.example'],
    options: ['ndots:5', 'timeout:1', 'rotate'],
  })
})

t.test('parseResolvConf() of nothing is nothing', async (t) => {
  t.same(parseResolvConf(''), {})
  t.same(parseResolvConf('\n#nameserver 192.0.2.1\n'), {})
  t.same(parseResolvConf('nameserver 192.0.2.1\r\n'), { nameservers: ['192.0.2.1'] }, 'CR LF')
})
