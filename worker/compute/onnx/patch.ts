/** Changes parts of a protobuf message and leaves every other byte as it is. Pure. */
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/** Changes the messages in the fields of that number. */
export function mapFields(
  message: Uint8Array,
  number: number,
  change: (inner: Uint8Array) => Uint8Array | null,
): Uint8Array {
  return rewritten(message, (field, whole, inner) => {
    if (field !== number || inner === null) return whole;
    const changed = change(inner);
    return changed === null
      ? new Uint8Array(0)
      : new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(changed).finish();
  });
}

/** Each field's bytes, tag included, as `change` gives them; `inner` is what a field of bytes holds. */
export function rewritten(
  message: Uint8Array,
  change: (number: number, whole: Uint8Array, inner: Uint8Array | null) => Uint8Array,
): Uint8Array {
  const reader = new BinaryReader(message);
  const pieces: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [number, wireType] = reader.tag();
    let inner: Uint8Array | null = null;
    if (wireType === WireType.LengthDelimited) inner = reader.bytes();
    else reader.skip(wireType, number);
    pieces.push(change(number, message.subarray(start, reader.pos), inner));
  }
  return Buffer.concat(pieces);
}
