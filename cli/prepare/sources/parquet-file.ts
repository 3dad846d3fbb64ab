/** A Parquet file as rows with named columns, with what its writers say of them. */
import type { SchemaTree } from 'hyparquet';
import { codeOf } from '../../../shared/errors.js';
import { damaged, fileError } from './file-errors.js';
import { pandasIndex, type KeyValues } from './parquet-metadata.js';
import type { Row } from './table.js';

export interface ParquetTable {
  /** Names of the columns. */
  readonly names: readonly string[];
  /** The columns that pandas wrote as the rows' index. */
  readonly index: readonly string[];
  /** The columns whose cells are bytes, or `{ bytes, path }` as Hugging Face's `datasets` writes images. */
  readonly binary: readonly string[];
  /** What the file says of itself. */
  readonly keyValues: KeyValues | undefined;
  /** Number of rows. */
  readonly samples: number;
  /** The rows [from, to), with those columns alone. @throws UserError 65 when they cannot be read */
  readonly rowsOf: (columns: readonly string[], from: number, to: number) => Promise<Row[]>;
}

/** @throws UserError 2 for no such file, 65 for one that is no Parquet file */
export async function openTable(path: string): Promise<ParquetTable> {
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } = await import('hyparquet');
  const { compressors } = await import('hyparquet-compressors');
  const read = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      if (codeOf(error) !== '') throw fileError(path, error);
      throw damaged(path, 'no Parquet file that can be read', error);
    }
  };
  const file = await read(() => asyncBufferFromFile(path));
  const metadata = await read(() => parquetMetadataAsync(file));
  const columns = parquetSchema(metadata).children;
  return {
    names: columns.map(({ element }) => element.name),
    binary: columns.filter(isBinary).map(({ element }) => element.name),
    keyValues: metadata.key_value_metadata,
    index: pandasIndex(metadata.key_value_metadata),
    samples: Number(metadata.num_rows),
    rowsOf: (columns, rowStart, rowEnd) =>
      read(() =>
        parquetReadObjects({ file, metadata, columns: [...columns], rowStart, rowEnd, compressors, utf8: false }),
      ),
  };
}

/** Whether a column holds bytes that the file does not call text, or the bytes of files with their paths. */
function isBinary({ element, children }: SchemaTree): boolean {
  if (children.length > 0) return children.some((child) => child.element.name === 'bytes' && isBinary(child));
  const isBytes = element.type === 'BYTE_ARRAY' || element.type === 'FIXED_LEN_BYTE_ARRAY';
  return isBytes && element.converted_type === undefined && element.logical_type === undefined;
}
