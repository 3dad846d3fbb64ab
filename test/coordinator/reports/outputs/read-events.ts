/**
 * Reads event files by itself: framing and checksums bit by bit, messages by the wire format alone. It shares no line
 * with the writer.
 */

export interface ReadEvent {
  readonly wallTime: number;
  readonly step: number;
  readonly version?: string;
  /** SessionLog's status. */
  readonly session?: number;
  readonly values: readonly ReadValue[];
}

export interface ReadValue {
  readonly tag: string;
  readonly number?: number;
  readonly text?: string;
  readonly plugin?: string;
  readonly content?: Buffer;
}

/** @throws Error for a record whose length or checksum is wrong */
export function readEvents(bytes: Buffer): ReadEvent[] {
  const events: ReadEvent[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = Number(bytes.readBigUInt64LE(at));
    expectSum(bytes.subarray(at, at + 8), bytes.readUInt32LE(at + 8));
    const message = bytes.subarray(at + 12, at + 12 + length);
    expectSum(message, bytes.readUInt32LE(at + 12 + length));
    events.push(eventOf(fieldsOf(message)));
    at += 16 + length;
  }
  return events;
}

function expectSum(bytes: Buffer, masked: number): void {
  const rotated = (masked - 0xa282ead8) >>> 0;
  const sum = ((rotated >>> 17) | (rotated << 15)) >>> 0;
  if (bitwiseCrc32c(bytes) !== sum) throw new Error('a checksum is wrong');
}

function bitwiseCrc32c(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes)
    for (let bit = 0; bit < 8; bit++) {
      const isOdd = ((crc ^ (byte >> bit)) & 1) === 1;
      crc = (crc >>> 1) ^ (isOdd ? 0x82f63b78 : 0);
    }
  return (crc ^ 0xffffffff) >>> 0;
}

type Fields = ReadonlyMap<number, readonly (number | Buffer)[]>;

/** Values of each field: of a varint as a number, of all else the bytes. */
export function fieldsOf(message: Buffer): Fields {
  const found = new Map<number, (number | Buffer)[]>();
  let at = 0;
  const varint = (): number => {
    let [value, scale] = [0, 1];
    for (;;) {
      const byte = message[at++] ?? 0;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
  };
  const take = (length: number): Buffer => message.subarray(at, (at += length));
  while (at < message.length) {
    const key = varint();
    const [field, type] = [Math.floor(key / 8), key % 8];
    const value = type === 0 ? varint() : take(type === 1 ? 8 : type === 5 ? 4 : varint());
    found.set(field, [...(found.get(field) ?? []), value]);
  }
  return found;
}

const bytesIn = (fields: Fields, field: number): Buffer[] =>
  (fields.get(field) ?? []).filter((value) => typeof value !== 'number');

function eventOf(fields: Fields): ReadEvent {
  const [session, version] = [bytesIn(fields, 7)[0], bytesIn(fields, 3)[0]];
  return {
    wallTime: bytesIn(fields, 1)[0]?.readDoubleLE() ?? NaN,
    step: Number(fields.get(2)?.[0] ?? 0),
    ...(version === undefined ? {} : { version: version.toString() }),
    ...(session === undefined ? {} : { session: Number(fieldsOf(session).get(1)?.[0]) }),
    values: bytesIn(fields, 5).flatMap((summary) => bytesIn(fieldsOf(summary), 1).map(valueOf)),
  };
}

function valueOf(bytes: Buffer): ReadValue {
  const fields = fieldsOf(bytes);
  const [tag, number, tensor, metadata] = [1, 2, 8, 9].map((field) => bytesIn(fields, field)[0]);
  const plugin = metadata === undefined ? undefined : bytesIn(fieldsOf(metadata), 1)[0];
  const text = tensor === undefined ? undefined : bytesIn(fieldsOf(tensor), 8)[0];
  const content = plugin === undefined ? undefined : bytesIn(fieldsOf(plugin), 2)[0];
  return {
    tag: tag?.toString() ?? '',
    ...(number === undefined ? {} : { number: number.readFloatLE() }),
    ...(text === undefined ? {} : { text: text.toString() }),
    ...(plugin === undefined ? {} : { plugin: bytesIn(fieldsOf(plugin), 1)[0]?.toString() ?? '' }),
    ...(content === undefined ? {} : { content }),
  };
}
