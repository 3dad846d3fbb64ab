/**
 * TFRecord: a sample a record, a `tf.train.Example` with named features, plain or gzip. A record is its length (u64 LE), a
 * checksum of that, its bytes, and a checksum of those. All checksums are checked while the records are found; after that a
 * record is read by range. Format: TensorFlow's documentation, "TFRecord and tf.train.Example".
 */
import { maskedCrc32c } from '../../../shared/crc32c.js';
import { damaged } from './file-errors.js';
import { openEach } from './input-files.js';
import { bytesIn, openRanged, type RangedBytes } from './ranged-bytes.js';
import { openRows, type RowTable } from './row-table.js';
import type { SourceFormat } from './source.js';
import type { Row } from './table.js';
import { exampleIn } from './tf-example.js';

const endings = ['.tfrecord', '.tfrecords', '.tfrecord.gz', '.tfrecords.gz'];

export const tfrecord: SourceFormat<'tfrecord'> = {
  files: ({ inputs }) => ({ inputs }),
  open: (recipe, context) =>
    openEach({ inputs: recipe.inputs, endings, path: context.path }, async (path) => {
      const { labels } = recipe;
      const listed = context.task === 'sequence' && labels !== undefined ? [labels] : [];
      const table = tableOf(path, await openRanged(path, context.spool), listed);
      return openRows(path, { recipe, context, table });
    }),
};

/** Bytes of a record before its own: its length and the checksum of that. */
const headBytes = 12;
const checksumBytes = 4;

/** The most rows that are in memory at once for what they say beside their inputs. */
const stretchRows = 1024;

/** @param listed columns whose single values are lists of one */
function tableOf(path: string, file: RangedBytes, listed: readonly string[]): RowTable {
  const places = recordsIn(path, file);
  const rowAt = (i: number): Row => {
    const { offset = 0, sizeBytes = 0 } = places[i] ?? {};
    try {
      return exampleIn(bytesIn(file, offset, offset + sizeBytes));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw damaged(path, `record ${i} is no tf.train.Example; one was wanted`, error);
    }
  };
  const first = places.length === 0 ? {} : rowAt(0);
  const samples = places.length;
  return {
    names: Object.keys(first).sort(),
    index: [],
    binary: Object.keys(first).filter((name) => first[name] instanceof Uint8Array),
    samples,
    stretches: Array.from({ length: Math.ceil(samples / stretchRows) }, (_, i) => ({
      from: i * stretchRows,
      to: Math.min(samples, (i + 1) * stretchRows),
    })),
    rowsOf: async (columns, from, to) =>
      Array.from({ length: to - from }, (_, i) => {
        const row = rowAt(from + i);
        return Object.fromEntries(columns.map((name) => [name, listed.includes(name) ? asList(row[name]) : row[name]]));
      }),
  };
}

/** What a list of one value was before it was taken for the value; null stays. */
function asList(cell: unknown): unknown {
  return cell === null || cell === undefined || Array.isArray(cell) ? cell : [cell];
}

interface RecordPlace {
  readonly offset: number;
  readonly sizeBytes: number;
}

/** @throws UserError 65 for a file that is cut short, or a checksum that is wrong */
function recordsIn(path: string, file: RangedBytes): RecordPlace[] {
  const places: RecordPlace[] = [];
  for (let at = 0; at < file.sizeBytes;) {
    const cutShort = (): Error =>
      damaged(path, `it ends within record ${places.length}, at byte ${at}; a whole TFRecord file was wanted`);
    if (file.sizeBytes - at < headBytes) throw cutShort();
    const head = bytesIn(file, at, at + headBytes);
    if (maskedCrc32c(head.subarray(0, 8)) !== head.readUInt32LE(8))
      throw damaged(
        path,
        `no TFRecord at byte ${at}: the checksum of a length is wrong; a whole file, plain or packed by gzip, was wanted`,
      );
    const sizeBytes = Number(head.readBigUInt64LE(0));
    const offset = at + headBytes;
    if (sizeBytes + checksumBytes > file.sizeBytes - offset) throw cutShort();
    const bytes = bytesIn(file, offset, offset + sizeBytes + checksumBytes);
    if (maskedCrc32c(bytes.subarray(0, sizeBytes)) !== bytes.readUInt32LE(sizeBytes))
      throw damaged(path, `the checksum of record ${places.length} is wrong; a file that is whole was wanted`);
    places.push({ offset, sizeBytes });
    at = offset + sizeBytes + checksumBytes;
  }
  return places;
}
