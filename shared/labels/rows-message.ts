/**
 * Label rows on their way from a worker to the coordinator: u32 count | u32 sample ids | rows, all little-endian. Pure.
 */
import { ProtocolError } from '../errors.js';

/** Rows of one message, at most. */
export const largestMessage = { rows: 8192, bytes: 4 * 1024 * 1024 };

export function encodeRows(
  ids: readonly number[],
  rowBytes: number,
  rowOf: (i: number) => Uint8Array,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(messageBytes(ids.length, rowBytes));
  new Uint32Array(bytes.buffer, 0, 1 + ids.length).set([ids.length, ...ids]);
  ids.forEach((_, i) => bytes.set(rowOf(i), 4 + 4 * ids.length + i * rowBytes));
  return bytes;
}

export interface RowsMessage {
  readonly ids: Uint32Array;
  readonly row: (i: number) => Uint8Array;
}

/** @throws ProtocolError for anything but whole rows of samples below `samples` */
export function decodeRows(bytes: Uint8Array, rowBytes: number, samples: number): RowsMessage {
  if (bytes.length < 4) throw new ProtocolError('a label message without a count');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = view.getUint32(0, true);
  if (count > largestMessage.rows || bytes.length !== messageBytes(count, rowBytes))
    throw new ProtocolError(`a label message of ${bytes.length} bytes for ${count} rows of ${rowBytes}`);
  const ids = Uint32Array.from({ length: count }, (_, i) => view.getUint32(4 + 4 * i, true));
  const beyond = ids.find((id) => id >= samples);
  if (beyond !== undefined) throw new ProtocolError(`a label for sample ${beyond} of ${samples}`);
  return { ids, row: (i) => bytes.subarray(4 + 4 * count + i * rowBytes, 4 + 4 * count + (i + 1) * rowBytes) };
}

function messageBytes(count: number, rowBytes: number): number {
  return 4 + 4 * count + count * rowBytes;
}

/** Rows that fit one message. */
export function rowsPerMessage(rowBytes: number): number {
  return Math.max(1, Math.min(largestMessage.rows, Math.floor(largestMessage.bytes / (4 + rowBytes))));
}
