/** Parquet: a sample a row. Annotations are read at once, inputs by range of rows when they are asked for. */
import { openTable } from './parquet-file.js';
import { openEach } from './input-files.js';
import type { Source, SourceFormat } from './source.js';
import { annotationsOf, described, planTable, readRowAnnotations, readSample, type TableRecipe } from './table.js';

const endings = ['.parquet', '.pq'];

export const parquet: SourceFormat<'parquet'> = {
  files: ({ inputs }) => ({ inputs }),
  open: (recipe, { path, classNames }) =>
    openEach({ inputs: recipe.inputs, endings, path }, (file) => openParquet(file, recipe, classNames)),
};

async function openParquet(
  path: string,
  recipe: TableRecipe,
  classNames: readonly string[] | undefined,
): Promise<Source> {
  const { names, index, samples, rowsOf } = await openTable(path);
  const [first = {}] = samples === 0 ? [] : await rowsOf(names, 0, 1);
  const plan = planTable(path, recipe, { names, first, classNames, index });
  const beside = plan.annotations.length === 0 ? [] : await rowsOf(plan.annotations, 0, samples);
  const annotations = Array.from({ length: samples }, (_, i) =>
    readRowAnnotations(plan, { row: beside[i] ?? {}, where: `row ${i}` }),
  );
  return {
    file: path,
    samples,
    shape: plan.shape,
    dtype: 'float32',
    ...described(plan),
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
