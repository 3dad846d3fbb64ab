/**
 * The schema of an Arrow file that has it in its footer alone, as Arrow's own JavaScript library writes files. Format: Arrow's
 * File.fbs and Message.fbs, FlatBuffers' "Internals". Pure.
 */
import { checkMetadata } from './arrow-metadata.js';

/** The footer's length and the magic bytes behind it. */
export const footerTailBytes = 10;

const versionFive = 4;
const schemaHeader = 1;

/** Where the message's table lies, and the footer behind it. */
const [tableAt, footerAt] = [16, 32];

/**
 * A stream's first message, which gives the schema that lies in a footer. Offsets of FlatBuffers are relative, so that the
 * footer's bytes stay as they are, with a table before them that leads to its schema.
 * @throws RangeError for a footer without a schema that can be read
 */
export function schemaMessage(footer: Uint8Array): Buffer {
  const view = new DataView(footer.buffer, footer.byteOffset, footer.byteLength);
  const root = view.getUint32(0, true);
  const names = root - view.getInt32(root, true);
  // Footer { version, schema, dictionaries, recordBatches, custom_metadata }
  const offset = view.getUint16(names, true) > 6 ? view.getUint16(names + 6, true) : 0;
  if (offset === 0) throw new RangeError('a footer without a schema');
  const schema = root + offset + view.getUint32(root + offset, true);
  const length = Math.ceil((footerAt + footer.length) / 8) * 8;
  const message = Buffer.alloc(8 + length);
  message.writeUInt32LE(0xffffffff, 0);
  message.writeUInt32LE(length, 4);
  const metadata = message.subarray(8);
  metadata.writeUInt32LE(tableAt, 0);
  // What fields there are: the bytes of this list and of the table, and where version, type and header lie in that.
  [10, 12, 8, 10, 4].forEach((value, i) => metadata.writeUInt16LE(value, 4 + 2 * i));
  metadata.writeInt32LE(tableAt - 4, tableAt);
  metadata.writeUInt32LE(footerAt + schema - (tableAt + 4), tableAt + 4);
  metadata.writeInt16LE(versionFive, tableAt + 8);
  metadata.writeUInt8(schemaHeader, tableAt + 10);
  metadata.set(footer, footerAt);
  checkMetadata(metadata);
  return message;
}
