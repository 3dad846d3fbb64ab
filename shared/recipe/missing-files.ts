/** Files that a recipe names and that are not there: said at once, each with its line, before anything is read. */
import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { UserError } from '../errors.js';
import type { Path } from './places.js';
import type { ReadRecipe } from './read.js';
import type { Recipe, SourceRecipe } from './schema.js';

interface NamedFile {
  readonly path: Path;
  readonly file: string;
}

/** @throws UserError 2 with a line for each file that is missing */
export async function checkFiles({ recipe, placeOf }: ReadRecipe, folder: string): Promise<void> {
  const lines = await Promise.all(
    filesOf(recipe).map(async ({ path, file }) => {
      const isThere = await access(resolve(folder, file)).then(
        () => true,
        () => false,
      );
      return isThere
        ? []
        : [`${placeOf(path)}: ${path.join('.')}: ${file} given; a file that is there, relative to the recipe, wanted`];
    }),
  );
  const missing = lines.flat();
  if (missing.length > 0) throw new UserError(missing.join('\n'));
}

function filesOf({ student, teachers, data, labels }: Recipe): NamedFile[] {
  const named: [Path, string | undefined][] = [
    ...('model' in student
      ? ([
          [['student', 'model'], student.model],
          [['student', 'weights'], student.weights],
        ] satisfies [Path, string | undefined][])
      : []),
    ...teachers.map(({ model }, i): [Path, string] => [['teachers', i, 'model'], model]),
    ...teachers.map(({ classes }, i): [Path, string | undefined] => [
      ['teachers', i, 'classes'],
      typeof classes === 'string' ? classes : undefined,
    ]),
    [['labels', 'from'], labels.from],
    ...sourceFiles(['data', 'train'], data.train),
    ...(['eval', 'unlabelled'] as const).flatMap((key) =>
      data[key] === undefined ? [] : sourceFiles(['data', key], data[key]),
    ),
  ];
  return named.flatMap(([path, file]) => (file === undefined ? [] : [{ path, file }]));
}

/** `set.npz#x` is the file `set.npz`; `labels` and `weights` of CSV, JSONL and Parquet are columns. */
function sourceFiles(at: Path, source: SourceRecipe): [Path, string | undefined][] {
  if (source.format === 'folder') return [[[...at, 'images'], source.images]];
  const { inputs } = source;
  if (source.format === 'csv' || source.format === 'jsonl' || source.format === 'parquet')
    return [[[...at, 'inputs'], inputs]];
  const file = (name: string | undefined): string | undefined => (source.format === 'npy' ? name?.split('#')[0] : name);
  return [
    [[...at, 'images'], file(source.images)],
    [[...at, 'inputs'], file(inputs)],
    [[...at, 'labels'], file(source.labels)],
    [[...at, 'weights'], file(source.weights)],
    [[...at, 'targets'], file(source.targets)],
    [[...at, 'mask'], file(source.mask)],
  ];
}
