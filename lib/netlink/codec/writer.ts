/**
 * One growing buffer into which netlink messages are written front to back. Numbers are native, which is
 * little-endian on every architecture we build for; big-endian ones say so.
 */
export class Writer {
  bytes = new Uint8Array(4096)
  view = new DataView(this.bytes.buffer)
  /** How much of `bytes` is written. */
  length = 0

  /** Makes room for `n` more bytes, not cleared, and returns where they begin. */
  take(n: number): number {
    const at = this.length
    this.length = at + n
    if (this.length > this.bytes.length) {
      const larger = new Uint8Array(Math.max(this.length, this.bytes.length * 2))
      larger.set(this.bytes)
      this.bytes = larger
      this.view = new DataView(larger.buffer)
    }
    return at
  }

  u8(value: number): void {
    const at = this.take(1)
    this.bytes[at] = value
  }

  u16(value: number): void {
    const at = this.take(2)
    this.view.setUint16(at, value, true)
  }

  u16be(value: number): void {
    const at = this.take(2)
    this.view.setUint16(at, value)
  }

  u32(value: number): void {
    const at = this.take(4)
    this.view.setUint32(at, value, true)
  }

  u32be(value: number): void {
    const at = this.take(4)
    this.view.setUint32(at, value)
  }

  put(bytes: Uint8Array): void {
    const at = this.take(bytes.length)
    this.bytes.set(bytes, at)
  }

  zeros(n: number): void {
    const at = this.take(n)
    this.bytes.fill(0, at, at + n)
  }

  /** Begins an attribute (struct nlattr, include/uapi/linux/netlink.h); give the result to `close`. */
  open(type: number): number {
    const at = this.take(4)
    this.view.setUint16(at + 2, type, true)
    return at
  }

  /** Ends an attribute: sets its length and pads to four bytes. */
  close(at: number): void {
    const length = this.length - at
    if (length > 65535) throw new RangeError(`attribute of ${length} bytes: a netlink attribute holds at most 65535`)
    this.view.setUint16(at, length, true)
    const padding = -length & 3
    if (padding > 0) this.zeros(padding)
  }

  /** A copy of what is written. */
  copy(): Uint8Array {
    return this.bytes.slice(0, this.length)
  }
}
