/** Puts entries into the `metadata_props` of a model's file, and leaves every other byte as it is. Pure. */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { rewritten } from './patch.js';
import { modelProto, stringStringEntryProto } from './proto.js';
import { textIn } from './reader.js';

/** The file with these entries, in place of its own of the same keys. */
export function withMetadata(file: Uint8Array, entries: Readonly<Record<string, string>>): Uint8Array {
  const others = rewritten(file, (number, whole, inner) =>
    number === modelProto.metadata && inner !== null && textIn(inner, stringStringEntryProto.key) in entries
      ? new Uint8Array(0)
      : whole,
  );
  const added = Object.entries(entries).map(([key, value]) => {
    const writer = new BinaryWriter().tag(modelProto.metadata, WireType.LengthDelimited).fork();
    writer.tag(stringStringEntryProto.key, WireType.LengthDelimited).string(key);
    writer.tag(stringStringEntryProto.value, WireType.LengthDelimited).string(value);
    return writer.join().finish();
  });
  return Buffer.concat([others, ...added]);
}
