/** Parquet: a sample a row. Labels are read at once, the rest by row range when it is asked for. */
import { damaged, fileError } from './files.js';
import type { Source } from './rows.js';
import { besideRows, planTable, readBeside, readSample, type Row, type TableRecipe } from './table.js';

/** @throws UserError 2 for a missing file, 65 for one that is no Parquet, or whose rows are no samples */
export async function openParquet(
  path: string,
  recipe: TableRecipe,
  classNames: readonly string[] | undefined,
): Promise<Source> {
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } = await import('hyparquet');
  const { compressors } = await import('hyparquet-compressors');
  const read = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      if (error instanceof Error && 'code' in error) throw fileError(path, error);
      throw Object.assign(damaged(path, 'no Parquet file that can be read'), { cause: error });
    }
  };
  const { file, metadata } = await read(async () => {
    const opened = await asyncBufferFromFile(path);
    return { file: opened, metadata: await parquetMetadataAsync(opened) };
  });
  const rowsOf = (columns: readonly string[], rowStart: number, rowEnd: number): Promise<Row[]> =>
    read(() => parquetReadObjects({ file, metadata, columns: [...columns], rowStart, rowEnd, compressors }));
  const samples = Number(metadata.num_rows);
  const names = parquetSchema(metadata).children.map(({ element }) => element.name);
  const [first = {}] = samples === 0 ? [] : await rowsOf(names, 0, 1);
  const plan = planTable(path, recipe, { names, first, classNames });
  const beside = [plan.labels, plan.weights, plan.mask, ...(plan.targets ?? [])].filter((name) => name !== undefined);
  const labelRows = beside.length === 0 ? [] : await rowsOf(beside, 0, samples);
  return {
    file: path,
    samples,
    shape: plan.shape,
    dtype: 'float32',
    close: async () => undefined,
    ...besideRows(
      plan,
      Array.from({ length: samples }, (_, i) => readBeside(plan, labelRows[i] ?? {}, `row ${i}`)),
      (row) => `row ${row}`,
    ),
    read: async (from, to) => {
      const out = new Float32Array((to - from) * plan.size);
      (await rowsOf(plan.inputs, from, to)).forEach((row, i) =>
        readSample(plan, row, `row ${from + i}`, out, i * plan.size),
      );
      return out;
    },
  };
}
