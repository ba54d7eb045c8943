/**
 * Regular expressions of allow lists: the part of Go's syntax (RE2) that such lists use. What is outside of it is refused
 * by name, never ignored. A text is read once, all ways to match it at the same time, so that no pattern is slow.
 */

/** Whether a pattern matches anywhere in a text, as `regexp.MatchString` does. */
export type Matches = (text: string) => boolean

type Accepts = (code: number) => boolean

type Expression =
  | { readonly kind: 'character'; readonly accepts: Accepts }
  | { readonly kind: 'begin' | 'end' }
  | { readonly kind: 'sequence'; readonly parts: readonly Expression[] }
  | { readonly kind: 'choice'; readonly parts: readonly Expression[] }
  | { readonly kind: 'repeat'; readonly inner: Expression; readonly atLeastOnce: boolean; readonly endless: boolean }

/** A step of the compiled pattern; without `to` the next one follows. */
type Step =
  | { readonly kind: 'character'; readonly accepts: Accepts }
  | { readonly kind: 'begin' | 'end' | 'match' }
  | { readonly kind: 'fork'; readonly to: number[] }

/** What the pattern has that is not supported, or not valid. */
export class PatternError extends Error {
  override readonly name = 'PatternError'
}

const LONGEST = 1000

/** Throws PatternError. */
export function compilePattern(pattern: string): Matches {
  if (pattern.length > LONGEST) throw new PatternError(`it has more than ${LONGEST} characters`)
  const steps: Step[] = []
  emit(steps, new Parser(pattern).whole())
  steps.push({ kind: 'match' })
  return (text) => search(steps, text)
}

const PUNCTUATION = '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~'
const BETWEEN = (from: string, to: string) => (code: number) => code >= from.charCodeAt(0) && code <= to.charCodeAt(0)
const DIGIT = BETWEEN('0', '9')
const WORD = either([DIGIT, BETWEEN('A', 'Z'), BETWEEN('a', 'z'), is('_')])
const SPACE = either([...'\t\n\f\r '].map(is))
const CLASSES: { readonly [letter: string]: Accepts } = {
  ...{ d: DIGIT, w: WORD, s: SPACE },
  ...{ D: not(DIGIT), W: not(WORD), S: not(SPACE) },
}

function is(character: string): Accepts {
  const wanted = character.charCodeAt(0)
  return (code) => code === wanted
}

function not(accepts: Accepts): Accepts {
  return (code) => !accepts(code)
}

function either(all: readonly Accepts[]): Accepts {
  return (code) => all.some((accepts) => accepts(code))
}

class Parser {
  private at = 0

  constructor(private readonly pattern: string) {}

  whole(): Expression {
    const expression = this.choice()
    if (this.at < this.pattern.length) throw new PatternError('a ")" that no "(" precedes')
    return expression
  }

  private get next(): string {
    return this.pattern.charAt(this.at)
  }

  private take(): string {
    const taken = this.next
    if (taken === '') throw new PatternError('it ends too early')
    this.at++
    return taken
  }

  private skip(text: string): boolean {
    if (!this.pattern.startsWith(text, this.at)) return false
    this.at += text.length
    return true
  }

  private choice(): Expression {
    const parts = [this.sequence()]
    while (this.skip('|')) parts.push(this.sequence())
    return { kind: 'choice', parts }
  }

  private sequence(): Expression {
    const parts: Expression[] = []
    while (this.next !== '' && this.next !== '|' && this.next !== ')') parts.push(this.repeated(this.atom()))
    return { kind: 'sequence', parts }
  }

  private repeated(inner: Expression): Expression {
    if (this.next === '' || !'*+?'.includes(this.next)) return inner
    const sign = this.take()
    this.skip('?') // the shortest match rather than the longest: a match all the same
    if (this.next !== '' && '*+?'.includes(this.next)) throw new PatternError(`"${this.next}" behind a repetition`)
    return { kind: 'repeat', inner, atLeastOnce: sign === '+', endless: sign !== '?' }
  }

  private atom(): Expression {
    const sign = this.take()
    if (sign === '^') return { kind: 'begin' }
    if (sign === '$') return { kind: 'end' }
    if (sign === '(') return this.group()
    if (sign === '[') return { kind: 'character', accepts: this.class() }
    if (sign === '.') return { kind: 'character', accepts: not(is('\n')) }
    if (sign === '\\') return { kind: 'character', accepts: this.escape() }
    if ('*+?'.includes(sign)) throw new PatternError(`"${sign}" with nothing to repeat`)
    if (sign === '{') throw new PatternError('"{" is not supported: write the repetition out, or \\{ for the character')
    return { kind: 'character', accepts: is(sign) }
  }

  private group(): Expression {
    if (this.next === '?' && !this.skip('?:')) throw new PatternError('"(?" is supported as "(?:" alone')
    const inner = this.choice()
    if (!this.skip(')')) throw new PatternError('a "(" that no ")" follows')
    return inner
  }

  private escape(): Accepts {
    const escaped = this.take()
    if (PUNCTUATION.includes(escaped)) return is(escaped)
    const accepts = Object.hasOwn(CLASSES, escaped) ? CLASSES[escaped] : undefined
    if (accepts === undefined) throw new PatternError(`"\\${escaped}" is not supported`)
    return accepts
  }

  private class(): Accepts {
    const negated = this.skip('^')
    const parts: Accepts[] = []
    do parts.push(this.member())
    while (this.next !== ']')
    this.take()
    return negated ? not(either(parts)) : either(parts)
  }

  /** A character of a class, a range, or an escape. */
  private member(): Accepts {
    if (this.pattern.startsWith('[:', this.at)) throw new PatternError('"[:" is not supported: write the characters')
    const first = this.take()
    if (first === '\\' && !PUNCTUATION.includes(this.next)) return this.escape()
    const from = first === '\\' ? this.take() : first
    if (this.next !== '-' || this.pattern.charAt(this.at + 1) === ']') return is(from)
    this.take()
    const to = this.skip('\\') ? this.endOfRange() : this.take()
    if (to < from) throw new PatternError(`the range "${from}-${to}" is empty`)
    return BETWEEN(from, to)
  }

  /** Behind a backslash. A set of characters such as `\d` ends no range. */
  private endOfRange(): string {
    const escaped = this.take()
    if (!PUNCTUATION.includes(escaped)) throw new PatternError(`"\\${escaped}" cannot end a range`)
    return escaped
  }
}

function emit(steps: Step[], expression: Expression): void {
  if (expression.kind === 'sequence') for (const part of expression.parts) emit(steps, part)
  else if (expression.kind === 'choice') emitChoice(steps, expression.parts)
  else if (expression.kind === 'repeat') emitRepeat(steps, expression)
  else steps.push(expression)
}

function emitChoice(steps: Step[], parts: readonly Expression[]): void {
  const entry: number[] = []
  const exits: number[][] = []
  if (parts.length > 1) steps.push({ kind: 'fork', to: entry })
  for (const part of parts) {
    entry.push(steps.length)
    emit(steps, part)
    if (parts.length === 1) return
    const exit: number[] = []
    exits.push(exit)
    steps.push({ kind: 'fork', to: exit })
  }
  for (const exit of exits) exit.push(steps.length)
}

function emitRepeat(
  steps: Step[],
  { inner, atLeastOnce, endless }: Extract<Expression, { readonly kind: 'repeat' }>,
): void {
  const entry: number[] = []
  if (!atLeastOnce) steps.push({ kind: 'fork', to: entry })
  const first = steps.length
  emit(steps, inner)
  if (endless) steps.push({ kind: 'fork', to: [first, steps.length + 1] })
  entry.push(first, steps.length)
}

function search(steps: readonly Step[], text: string): boolean {
  let reached = new Set<number>()
  for (let at = 0; at <= text.length; at++) {
    if (follow(steps, reached, 0, at, text.length)) return true
    const next = new Set<number>()
    const code = text.charCodeAt(at)
    for (const number of reached) {
      const step = steps[number]
      if (at === text.length || step?.kind !== 'character' || !step.accepts(code)) continue
      if (follow(steps, next, number + 1, at + 1, text.length)) return true
    }
    reached = next
  }
  return false
}

/** Adds what is reached from a step without reading a character. True where that is the end of the pattern. */
function follow(steps: readonly Step[], reached: Set<number>, from: number, at: number, length: number): boolean {
  const open = [from]
  for (let number = open.pop(); number !== undefined; number = open.pop()) {
    if (reached.has(number)) continue
    reached.add(number)
    const step = steps[number] as Step
    if (step.kind === 'match') return true
    if (step.kind === 'fork') open.push(...step.to)
    else if ((step.kind === 'begin' && at === 0) || (step.kind === 'end' && at === length)) open.push(number + 1)
  }
  return false
}
