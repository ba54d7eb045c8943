/** Hardware addresses (IEEE 802 MAC-48, EUI-64, and InfiniBand's 20 bytes). */

/**
 * Reads `aa:bb:cc:dd:ee:ff`, `aa-bb-cc-dd-ee-ff` or `aabb.ccdd.eeff`, in either case.
 * `sizes` are the lengths in bytes to accept: 6 by default; `[6, 8, 20]` is what Go's `net.ParseMAC` takes.
 */
export function parseMac(text: string, sizes: readonly number[] = [6]): Uint8Array | undefined {
  const separator = text.charAt(4) === '.' ? '.' : text.charAt(2)
  if (separator !== ':' && separator !== '-' && separator !== '.') return undefined
  const width = separator === '.' ? 4 : 2
  const size = ((text.length + 1) * width) / 2 / (width + 1)
  if (!sizes.includes(size)) return undefined
  const bytes = new Uint8Array(size)
  for (let i = 0, at = 0; i < size; i++) {
    const value = hexDigit(text.charCodeAt(at)) * 16 + hexDigit(text.charCodeAt(at + 1))
    if (!(value >= 0)) return undefined
    bytes[i] = value
    at += 2
    if (at % (width + 1) === width) {
      if (at < text.length && text.charAt(at) !== separator) return undefined
      at++
    }
  }
  return bytes
}

function hexDigit(c: number): number {
  if (c >= 48 && c <= 57) return c - 48
  const lower = c | 32
  return lower >= 97 && lower <= 102 ? lower - 87 : Number.NaN
}

const DIGITS = '0123456789abcdef'

/** `00` to `ff`, and the same behind a colon. */
const PAIRS = Array.from({ length: 256 }, (_, byte) => DIGITS.charAt(byte >> 4) + DIGITS.charAt(byte & 15))
const MORE = PAIRS.map((pair) => `:${pair}`)

/** Lower case with colons. */
export function formatMac(bytes: Uint8Array): string {
  if (bytes.length === 0) return ''
  let text = PAIRS[bytes[0] as number] as string
  for (let i = 1; i < bytes.length; i++) text += MORE[bytes[i] as number]
  return text
}
