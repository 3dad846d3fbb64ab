/**
 * An Arrow file or stream as rows with named columns. Where its messages lie is found once; a record batch is read with the
 * schema and the dictionaries before it when its rows are asked for. Format: Arrow's "Serialization and Interprocess
 * Communication".
 */
import type { DataType, Field, Table } from 'apache-arrow';
import { exitCodes, UserError } from '../../../shared/errors.js';
import { footerTailBytes, schemaMessage } from './arrow-footer.js';
import { checkMetadata } from './arrow-metadata.js';
import { unpackLz4Buffer, withinLimit, zstdUnpacker } from './arrow-unpacking.js';
import { fieldsOf, rowsIn } from './arrow-values.js';
import { damaged } from './file-errors.js';
import { pandasIndex, type KeyValues } from './parquet-metadata.js';
import { bytesIn, type RangedBytes } from './ranged-bytes.js';
import type { RowTable } from './row-table.js';

type Arrow = typeof import('apache-arrow');

export interface ArrowTable extends RowTable {
  /** What the file says of itself. */
  readonly keyValues: KeyValues;
}

interface Range {
  readonly from: number;
  readonly to: number;
}

/** A record batch: its rows in the file, and where it and the dictionaries before it lie. */
interface BatchPlace extends Range {
  readonly messages: readonly Range[];
  /** The schema's message where it is none of those. */
  readonly schema: Uint8Array;
  /** No column of it, and no list, can have more values. */
  readonly most: number;
}

/** @throws UserError 2 where the package that reads Arrow is not installed, 65 for a file that cannot be read */
export async function openArrow(path: string, file: RangedBytes): Promise<ArrowTable> {
  const arrow = await loadArrow();
  const { batches, head } = batchesIn(path, file, arrow);
  let last: { readonly batch: BatchPlace; readonly table: Table } | null = null;
  const tableOf = (batch: BatchPlace): Table => {
    if (last?.batch !== batch) last = { batch, table: read(path, () => decoded(path, file, batch, arrow)) };
    return last.table;
  };
  const { fields, metadata } = tableOf(batches[0] ?? head).schema;
  const keyValues = [...metadata].map(([key, value]) => ({ key, value }));
  return {
    names: fields.map(({ name }) => name),
    binary: fields.filter((field) => isBinary(arrow, field as Field<DataType>)).map(({ name }) => name),
    index: pandasIndex(keyValues),
    keyValues,
    samples: batches.at(-1)?.to ?? 0,
    stretches: batches,
    rowsOf: async (columns, from, to) =>
      batches
        .filter((batch) => batch.from < to && batch.to > from)
        .flatMap((batch) => {
          const own = { from: Math.max(from, batch.from) - batch.from, to: Math.min(to, batch.to) - batch.from };
          return read(path, () => rowsIn(arrow, tableOf(batch), columns, { ...own, most: batch.most }));
        }),
  };
}

let loading: Promise<Arrow> | undefined;

/** The package, which unpacks buffers by what it is given here. */
async function loadArrow(): Promise<Arrow> {
  loading ??= (async () => {
    const arrow = await import('apache-arrow').catch((error: unknown) => {
      throw new UserError(
        'format arrow needs the package apache-arrow, which is not installed here: npm install apache-arrow',
        exitCodes.usage,
        error,
      );
    });
    const { decompressZstd } = await import('hyparquet-compressors');
    arrow.compressionRegistry.set(arrow.CompressionType.LZ4_FRAME, { decode: unpackLz4Buffer });
    arrow.compressionRegistry.set(arrow.CompressionType.ZSTD, {
      decode: zstdUnpacker((packed) => decompressZstd(packed)),
    });
    return arrow;
  })();
  return loading;
}

/** The package's errors are of many kinds. */
function read<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw damaged(path, 'no Arrow data that can be read; a whole file or stream was wanted', error);
  }
}

const fileMagic = 'ARROW1';

interface BatchHeader {
  readonly length: unknown;
  /** How its buffers are packed; null where they are not. */
  readonly compression: unknown;
}

/** The most values that so many bytes hold: a bit each, and packed ones become 255 times as many at most. */
function mostValues(bytes: number, isPacked: boolean): number {
  return 8 * bytes * (isPacked ? 255 : 1);
}

interface Batches {
  readonly batches: readonly BatchPlace[];
  /** What stands before the batches, as a batch without rows. */
  readonly head: BatchPlace;
}

/** Finds the record batches. A file holds a stream between its magic bytes and its footer. */
function batchesIn(path: string, file: RangedBytes, { Message, MessageHeader }: Arrow): Batches {
  const isFile = bytesIn(file, 0, Math.min(6, file.sizeBytes)).toString('latin1') === fileMagic;
  const batches: BatchPlace[] = [];
  const before: Range[] = [];
  let schema: Uint8Array = new Uint8Array(0);
  let rows = 0;
  for (let at = isFile ? 8 : 0; at < file.sizeBytes;) {
    const cutShort = (): UserError =>
      damaged(path, `it ends within what begins at byte ${at}; a whole Arrow file or stream was wanted`);
    const head = bytesIn(file, at, Math.min(at + 8, file.sizeBytes));
    if (head.length < 8) throw cutShort();
    // Old writers give no mark before the length.
    const isMarked = head.readUInt32LE(0) === 0xffffffff;
    const metadataBytes = head.readUInt32LE(isMarked ? 4 : 0);
    if (metadataBytes === 0) break;
    const metadataAt = at + (isMarked ? 8 : 4);
    if (metadataAt + metadataBytes > file.sizeBytes) throw cutShort();
    const message = read(path, () => {
      const metadata = bytesIn(file, metadataAt, metadataAt + metadataBytes);
      checkMetadata(metadata);
      return Message.decode(metadata);
    });
    const { bodyLength, headerType } = message;
    const end = metadataAt + metadataBytes + bodyLength;
    if (bodyLength < 0)
      throw damaged(
        path,
        `${bodyLength} bytes after what begins at byte ${at}; a whole Arrow file or stream was wanted`,
      );
    if (!(end <= file.sizeBytes)) throw cutShort();
    const place = { from: at, to: end };
    if (before.length === 0 && schema.length === 0 && headerType !== MessageHeader.Schema) {
      if (!isFile)
        throw damaged(path, 'no schema before its record batches; a file or a stream as the format has it was wanted');
      schema = read(path, () => schemaMessage(footerOf(file)));
    }
    if (headerType === MessageHeader.RecordBatch) {
      const { length, compression } = read(path, () => message.header() as BatchHeader);
      const count = Number(length);
      const most = mostValues(bodyLength, compression !== null);
      if (!(count >= 0 && count <= most))
        throw damaged(
          path,
          `it says that it has ${count} rows in ${end - at} bytes; a whole file or stream was wanted`,
        );
      batches.push({ from: rows, to: rows + count, messages: [...before, place], schema, most });
      rows += count;
    } else before.push(place);
    at = end;
  }
  if (before.length === 0 && batches.length === 0) throw damaged(path, 'no record batches; some were wanted');
  return { batches, head: { from: 0, to: 0, messages: before, schema, most: 0 } };
}

/** What stands before the length of a file's footer. @throws RangeError for a length that cannot be */
function footerOf(file: RangedBytes): Buffer {
  const end = file.sizeBytes - footerTailBytes;
  const length = bytesIn(file, end, end + 4).readInt32LE(0);
  if (!(length > 0 && length <= end)) throw new RangeError(`a footer of ${length} bytes`);
  return bytesIn(file, end - length, end);
}

/** The batch as a table of its own: the schema, the dictionaries, the batch, and the mark of a stream's end. */
function decoded(path: string, file: RangedBytes, { messages, schema }: BatchPlace, arrow: Arrow): Table {
  const pieces = messages.map(({ from, to }) => bytesIn(file, from, to));
  const stream = Buffer.concat([schema, ...pieces, Buffer.from([255, 255, 255, 255, 0, 0, 0, 0])]);
  return withinLimit(path, stream.length, () => arrow.tableFromIPC(stream));
}

/** Whether a column holds bytes, or the bytes of files with their paths. */
function isBinary({ DataType: Types }: Arrow, { type }: Field<DataType>): boolean {
  const holdsBytes = (one: DataType): boolean =>
    Types.isBinary(one) || Types.isLargeBinary(one) || Types.isFixedSizeBinary(one);
  if (holdsBytes(type)) return true;
  return Types.isStruct(type) && fieldsOf(type).some(({ name, type: own }) => name === 'bytes' && holdsBytes(own));
}
