/**
 * Reads the fields of protobuf messages one message at a time. Bytes are given as views into the message, so that a
 * model's tensors are never copied. Pure.
 */
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

/** One field of a message; fields of fixed width are left out, since none that is read here is one. */
interface Field {
  readonly number: number;
  /** A number, or the bytes of a text, of a message or of several numbers one after the other. */
  readonly value: number | Uint8Array;
}

/** All fields of a message, in order. @throws RangeError when the bytes are no protobuf message */
export function fieldsIn(message: Uint8Array): Field[] {
  const fields: Field[] = [];
  try {
    const reader = new BinaryReader(message);
    while (reader.pos < reader.len) {
      const [number, wireType] = reader.tag();
      if (wireType === WireType.LengthDelimited) fields.push({ number, value: reader.bytes() });
      else if (wireType === WireType.Varint) fields.push({ number, value: readNumber(reader) });
      else reader.skip(wireType, number);
    }
  } catch (error) {
    throw noMessage(error);
  }
  return fields;
}

/** The bytes of all fields of that number, in order: texts or messages. @throws RangeError as fieldsIn does */
export function bytesIn(message: Uint8Array, number: number): Uint8Array[] {
  return fieldsIn(message).flatMap((field) =>
    field.number === number && typeof field.value !== 'number' ? [field.value] : [],
  );
}

/** All texts in the fields of that number, in order. @throws RangeError as fieldsIn does */
export function textsIn(message: Uint8Array, number: number): string[] {
  return bytesIn(message, number).map((bytes) => new TextDecoder().decode(bytes));
}

/**
 * The text in the field of that number, the last where there are several, as every reader of protobuf takes it; empty
 * where the message has no such field. @throws RangeError as fieldsIn does
 */
export function textIn(message: Uint8Array, number: number): string {
  return textsIn(message, number).at(-1) ?? '';
}

/** A repeated number comes as one field each, or as one field with all of them. @throws RangeError as fieldsIn does */
export function numbersIn(value: Field['value']): number[] {
  if (typeof value === 'number') return [value];
  const numbers: number[] = [];
  try {
    const reader = new BinaryReader(value);
    while (reader.pos < reader.len) numbers.push(readNumber(reader));
  } catch (error) {
    throw noMessage(error);
  }
  return numbers;
}

/** Exact up to 2^53. */
function readNumber(reader: BinaryReader): number {
  const number = Number(reader.uint64());
  if (reader.pos > reader.len) throw new RangeError('a number is cut short');
  return number;
}

/**
 * How many numbers of four bytes the fields of that number have: one field each, or one field with all of them.
 * @throws RangeError as fieldsIn does
 */
export function countFloats(message: Uint8Array, number: number): number {
  let count = 0;
  try {
    const reader = new BinaryReader(message);
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (field === number && wireType === WireType.LengthDelimited) count += reader.bytes().length / 4;
      else {
        if (field === number && wireType === WireType.Bit32) count++;
        reader.skip(wireType, field);
      }
    }
  } catch (error) {
    throw noMessage(error);
  }
  return count;
}

function noMessage(cause: unknown): RangeError {
  return new RangeError(`not a protobuf message: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
}
