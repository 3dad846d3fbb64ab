/** Writes ASN.1 as DER (ITU-T X.690): just the forms that a certificate is made of. Nothing is read here. Pure. */

/** One value: its tag, its length, then `parts` behind each other. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  if (body.length < 0x80) return Buffer.concat([Buffer.of(tag, body.length), body]);
  const length = bigEndian(body.length);
  return Buffer.concat([Buffer.of(tag, 0x80 | length.length, ...length), body]);
}

export function sequence(...parts: readonly Uint8Array[]): Buffer {
  return der(0x30, ...parts);
}

export function set(...parts: readonly Uint8Array[]): Buffer {
  return der(0x31, ...parts);
}

/** A value behind a number of its own: `[n]`, constructed. */
export function tagged(n: number, ...parts: readonly Uint8Array[]): Buffer {
  return der(0xa0 | n, ...parts);
}

/** @param bytes a number that is not negative, the highest byte first */
export function integer(bytes: Uint8Array): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const significant = first < 0 ? Buffer.of(0) : bytes.subarray(first);
  return der(0x02, ...((significant[0] ?? 0) >= 0x80 ? [Buffer.of(0)] : []), significant);
}

export function yes(): Buffer {
  return der(0x01, Buffer.of(0xff));
}

/** @param unused bits at the end of the last byte that say nothing */
export function bitString(bytes: Uint8Array, unused = 0): Buffer {
  return der(0x03, Buffer.of(unused), bytes);
}

export function octetString(bytes: Uint8Array): Buffer {
  return der(0x04, bytes);
}

export function utf8String(text: string): Buffer {
  return der(0x0c, Buffer.from(text, 'utf8'));
}

/** @param dotted an object identifier such as `2.5.4.3` */
export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...others] = dotted.split('.').map(Number);
  return der(0x06, Buffer.from([40 * first + second, ...others].flatMap(septets)));
}

/**
 * A moment to the second: UTCTime before the year 2050, GeneralizedTime from then on, as RFC 5280 wants.
 * @param ms milliseconds since 1970
 */
export function time(ms: number): Buffer {
  const digits = new Date(ms)
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replace(/[-:T]/g, '');
  const isFar = new Date(ms).getUTCFullYear() >= 2050;
  return der(isFar ? 0x18 : 0x17, Buffer.from(isFar ? digits : digits.slice(2), 'ascii'));
}

function bigEndian(value: number): number[] {
  return value < 0x100 ? [value] : [...bigEndian(Math.floor(value / 0x100)), value % 0x100];
}

/** Seven bits a byte, the highest first; every byte but the last says that more follow. */
function septets(value: number): number[] {
  const rest = Math.floor(value / 0x80);
  return [...(rest === 0 ? [] : septets(rest).map((byte) => byte | 0x80)), value % 0x80];
}
