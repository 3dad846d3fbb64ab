/** Numbers of any width from 0 to 24 bits in a piece of memory, the lowest bit of the lowest byte first. Pure. */

/** The number of `width` bits that begins with bit `at`. */
export function bitsAt(bytes: Uint8Array, at: number, width: number): number {
  let byte = at >>> 3;
  let value = (bytes[byte] ?? 0) >>> (at & 7);
  for (let have = 8 - (at & 7); have < width; have += 8) value |= (bytes[++byte] ?? 0) << have;
  return value & ((1 << width) - 1);
}

/** Puts the lowest `width` bits of a number at bit `at`, where all bits must be 0. */
export function putBits(bytes: Uint8Array, at: number, { width, value }: { width: number; value: number }): void {
  const shifted = (value & ((1 << width) - 1)) * 2 ** (at & 7);
  for (let byte = at >>> 3, rest = shifted; rest > 0; byte++, rest = Math.floor(rest / 256))
    bytes[byte] = (bytes[byte] ?? 0) | (rest & 255);
}
