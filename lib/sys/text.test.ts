import t from 'tap'
import { plain, visible } from './text.js'

const HIDDEN = [
  '\0',
  '\n',
  '\r',
  '\x1b',
  '\x7f',
  '\x85',
  '\xad',
  '\u061c',
  '\u200b',
  '\u200f',
  '\u2028',
  '\u202e',
  '\u2066',
  '\u2069',
  '\ufeff',
]

t.test('visible() writes as escapes what nobody sees or what turns the line, and keeps all else', async (t) => {
  for (const character of HIDDEN) {
    const escaped = `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
    t.equal(visible(`a${character}b${character}`), `a${escaped}b${escaped}`)
  }
  for (const text of ['', 'plain', 'ünÿ …', '日本語', 'a\\b "c"', '\u{1f980}', 'שלום']) t.equal(visible(text), text)
})

t.test('of every character visible() keeps none that Unicode calls a control or a format', async (t) => {
  for (let c = 0; c < 0xd800; c++) {
    const text = String.fromCharCode(c)
    const shown = visible(text) === text
    if (/[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/u.test(text)) t.notOk(shown, c.toString(16))
    else if (/[\p{L}\p{N}\p{P}\p{S}]/u.test(text)) {
      if (!shown) t.fail(`${c.toString(16)} can be seen`)
    }
  }
})

t.test('plain() is visible ASCII of the same length, without double quotes', async (t) => {
  t.equal(plain('default/web-0'), 'default/web-0')
  t.equal(plain('a"b\u202ec\x7f\n'), 'a?b?c??')
})
