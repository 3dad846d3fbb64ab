/**
 * `tf.train.Example`, TensorFlow's message of named features, as a row of cells: a list of bytes, floats or whole numbers is
 * what it holds where that is one value. Format: TensorFlow's example.proto and feature.proto. Pure.
 */
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import type { Row } from './table.js';

/** The features' values by name. @throws RangeError for bytes that are no such message */
export function exampleIn(message: Uint8Array): Row {
  const row: Record<string, unknown> = {};
  try {
    // Example { Features features = 1 }, Features { map<string, Feature> feature = 1 }
    for (const features of messagesIn(message, 1))
      for (const entry of messagesIn(features, 1)) {
        const [name] = messagesIn(entry, 1);
        if (name === undefined) continue;
        const [feature = new Uint8Array(0)] = messagesIn(entry, 2);
        row[Buffer.from(name).toString('utf8')] = cellIn(feature);
      }
  } catch (error) {
    throw new RangeError('no tf.train.Example', { cause: error });
  }
  return row;
}

/** The fields of that number that hold messages or bytes. */
function messagesIn(message: Uint8Array, number: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === number && wireType === WireType.LengthDelimited) found.push(reader.bytes());
    else reader.skip(wireType, field);
  }
  return found;
}

/** Feature { oneof kind { BytesList bytes_list = 1; FloatList float_list = 2; Int64List int64_list = 3 } } */
function cellIn(feature: Uint8Array): unknown {
  const [bytes] = messagesIn(feature, 1);
  const values = bytes !== undefined ? messagesIn(bytes, 1) : numbersOf(feature);
  if (values.length === 0) return null;
  return values.length === 1 ? values[0] : values;
}

function numbersOf(feature: Uint8Array): number[] {
  const [floats] = messagesIn(feature, 2);
  if (floats !== undefined) return valuesIn(floats, WireType.Bit32, (reader) => reader.float());
  const [wholes] = messagesIn(feature, 3);
  if (wholes !== undefined) return valuesIn(wholes, WireType.Varint, (reader) => Number(reader.int64()));
  return [];
}

/** The values of field 1, each alone or several in one. */
function valuesIn(list: Uint8Array, own: WireType, read: (reader: BinaryReader) => number): number[] {
  const found: number[] = [];
  const reader = new BinaryReader(list);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field !== 1) reader.skip(wireType, field);
    else if (wireType === own) found.push(read(reader));
    else {
      const packed = new BinaryReader(reader.bytes());
      while (packed.pos < packed.len) found.push(read(packed));
    }
  }
  return found;
}
