/** How a text of the user's is encoded. Pure. */

/** By the byte-order mark, which the decoder takes away; UTF-8 without one. Windows' shells and editors write UTF-16. */
export function encodingOf(bytes: Uint8Array): 'utf-8' | 'utf-16le' | 'utf-16be' {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  return bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : 'utf-8';
}
