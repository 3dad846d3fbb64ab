/** A Parquet file as rows with named columns, with what its writers say of them. */
import { statSync } from 'node:fs';
import type { AsyncBuffer, Compressors, SchemaTree } from 'hyparquet';
import { codeOf, UserError } from '../../../shared/errors.js';
import { readInto } from '../../../shared/read-into.js';
import { damaged, fileError } from './file-errors.js';
import { pandasIndex, type KeyValues } from './parquet-metadata.js';
import type { RowTable } from './row-table.js';
import { unpackedLimit, unpacksToMore } from './unpacking.js';

export interface ParquetTable extends RowTable {
  /** What the file says of itself. */
  readonly keyValues: KeyValues | undefined;
}

/** @throws UserError 2 for no such file, 65 for one that is no Parquet file */
export async function openTable(path: string): Promise<ParquetTable> {
  const { parquetMetadataAsync, parquetReadObjects, parquetSchema } = await import('hyparquet');
  const { compressors } = await import('hyparquet-compressors');
  const read = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      if (error instanceof UserError) throw error;
      if (codeOf(error) !== '') throw fileError(path, error);
      throw damaged(path, 'no Parquet file that can be read; one was wanted', error);
    }
  };
  const file = await read(async () => bufferOf(path));
  const metadata = await read(() => parquetMetadataAsync(file));
  const columns = parquetSchema(metadata).children;
  const samples = rowsIn(path, Number(metadata.num_rows), file.byteLength);
  return {
    names: columns.map(({ element }) => element.name),
    binary: columns.filter(isBinary).map(({ element }) => element.name),
    keyValues: metadata.key_value_metadata,
    index: pandasIndex(metadata.key_value_metadata),
    samples,
    stretches: stretchesOf(metadata.row_groups.map(({ num_rows }) => Number(num_rows))),
    rowsOf: (columns, rowStart, rowEnd) =>
      read(() =>
        parquetReadObjects({
          file,
          metadata,
          columns: [...columns],
          rowStart,
          rowEnd,
          compressors: bounded(path, compressors),
          utf8: false,
        }),
      ),
  };
}

/** The most rows that are read at once for what they say beside their inputs. */
const stretchRows = 65_536;

/** @param groups the numbers of rows of the row groups */
function stretchesOf(groups: readonly number[]): { from: number; to: number }[] {
  const found: { from: number; to: number }[] = [];
  let start = 0;
  for (const rows of groups) {
    for (let from = start; from < start + rows; from += stretchRows)
      found.push({ from, to: Math.min(start + rows, from + stretchRows) });
    start += rows;
  }
  return found;
}

/**
 * The file for the library, which asks for several pieces at once and forgets of the others where one is no good: each is
 * there, or has failed, when it returns, so that none fails later where nobody waits for it.
 */
function bufferOf(path: string): AsyncBuffer {
  const { size } = statSync(path);
  return {
    byteLength: size,
    slice: (start, end = size) => {
      const piece = new ArrayBuffer(Math.max(0, Math.min(end, size) - start));
      readInto(path, new Uint8Array(piece), start);
      return piece;
    },
  };
}

/** The number of rows. Rows that are alike take next to no room, but not as little as that. */
function rowsIn(path: string, rows: number, fileBytes: number): number {
  if (Number.isSafeInteger(rows) && rows >= 0 && rows <= Math.max(10_000_000, 1000 * fileBytes)) return rows;
  throw damaged(
    path,
    `it says that it has ${rows} rows in ${fileBytes} bytes; a Parquet file that is whole was wanted`,
  );
}

/** The same, for pages that do not become far more than they are. */
function bounded(path: string, compressors: Compressors): Compressors {
  return Object.fromEntries(
    Object.entries(compressors).map(([name, unpack]) => [
      name,
      (page: Uint8Array, bytes: number) => {
        const limit = unpackedLimit(page.length);
        if (!(bytes <= limit)) throw unpacksToMore(path, limit);
        return unpack(page, bytes);
      },
    ]),
  );
}

/** Whether a column holds bytes that the file does not call text, or the bytes of files with their paths. */
function isBinary({ element, children }: SchemaTree): boolean {
  if (children.length > 0) return children.some((child) => child.element.name === 'bytes' && isBinary(child));
  const isBytes = element.type === 'BYTE_ARRAY' || element.type === 'FIXED_LEN_BYTE_ARRAY';
  return isBytes && element.converted_type === undefined && element.logical_type === undefined;
}
