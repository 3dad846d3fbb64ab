/** Writes TFRecord files of `tf.train.Example` for tests. */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { crc32c } from '../../../../shared/crc32c.js';

/** A number or several, whole ones as int64 and others as floats; bytes; null for a feature without values. */
export type Values = number | readonly number[] | Uint8Array | null;

/** Features by name as a message. */
export function exampleOf(features: Readonly<Record<string, Values>>): Uint8Array {
  const all = new BinaryWriter();
  for (const [name, values] of Object.entries(features)) {
    const entry = new BinaryWriter();
    entry.tag(1, WireType.LengthDelimited).string(name);
    entry.tag(2, WireType.LengthDelimited).bytes(featureOf(values));
    all.tag(1, WireType.LengthDelimited).bytes(entry.finish());
  }
  return new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(all.finish()).finish();
}

function featureOf(values: Values): Uint8Array {
  const feature = new BinaryWriter();
  if (values === null) return feature.finish();
  const list = new BinaryWriter();
  if (values instanceof Uint8Array) {
    list.tag(1, WireType.LengthDelimited).bytes(values);
    return feature.tag(1, WireType.LengthDelimited).bytes(list.finish()).finish();
  }
  const numbers = [values].flat() as readonly number[];
  const isWhole = numbers.every(Number.isInteger);
  const packed = new BinaryWriter();
  for (const number of numbers)
    if (isWhole) packed.int64(number);
    else packed.float(number);
  list.tag(1, WireType.LengthDelimited).bytes(packed.finish());
  return feature
    .tag(isWhole ? 3 : 2, WireType.LengthDelimited)
    .bytes(list.finish())
    .finish();
}

const masked = (bytes: Uint8Array): Buffer => {
  const crc = crc32c(bytes);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32LE((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0);
  return checksum;
};

/** A message with its length and both checksums. */
export function recordOf(message: Uint8Array): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(message.length));
  return Buffer.concat([length, masked(length), message, masked(message)]);
}
