/** Parquet: a sample a row. Annotations are read at once, inputs by range of rows when they are asked for. */
import { codeOf } from '../../../shared/errors.js';
import { damaged, fileError } from './file-errors.js';
import type { Source, SourceFormat } from './source.js';
import { annotationsOf, planTable, readRowAnnotations, readSample, type Row, type TableRecipe } from './table.js';

export const parquet: SourceFormat<'parquet'> = {
  files: ({ inputs }) => ({ inputs }),
  open: (recipe, { path, classNames }) => openParquet(path(recipe.inputs), recipe, classNames),
};

async function openParquet(
  path: string,
  recipe: TableRecipe,
  classNames: readonly string[] | undefined,
): Promise<Source> {
  const { names, samples, rowsOf } = await openTable(path);
  const [first = {}] = samples === 0 ? [] : await rowsOf(names, 0, 1);
  const plan = planTable(path, recipe, { names, first, classNames });
  const beside = plan.annotations.length === 0 ? [] : await rowsOf(plan.annotations, 0, samples);
  const annotations = Array.from({ length: samples }, (_, i) =>
    readRowAnnotations(plan, { row: beside[i] ?? {}, where: `row ${i}` }),
  );
  return {
    file: path,
    samples,
    shape: plan.shape,
    dtype: 'float32',
    ...annotationsOf(plan, annotations),
    read: async (from, to) => {
      const out = new Float32Array((to - from) * plan.size);
      (await rowsOf(plan.inputs, from, to)).forEach((row, i) =>
        readSample(plan, { row, where: `row ${from + i}` }, out.subarray(i * plan.size, (i + 1) * plan.size)),
      );
      return out;
    },
    close: async () => undefined,
  };
}

interface ParquetTable {
  /** Names of the columns. */
  readonly names: readonly string[];
  /** Number of rows. */
  readonly samples: number;
  /** The rows [from, to), with those columns alone. @throws UserError 65 when they cannot be read */
  readonly rowsOf: (columns: readonly string[], from: number, to: number) => Promise<Row[]>;
}

async function openTable(path: string): Promise<ParquetTable> {
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
  return {
    names: parquetSchema(metadata).children.map(({ element }) => element.name),
    samples: Number(metadata.num_rows),
    rowsOf: (columns, rowStart, rowEnd) =>
      read(() => parquetReadObjects({ file, metadata, columns: [...columns], rowStart, rowEnd, compressors })),
  };
}
