/** Finds the files that a recipe names and that do not exist, all at once and before any is read. */
import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { UserError } from '../../shared/errors.js';
import type { Path } from '../../shared/recipe/source-lines.js';
import type { ReadRecipe } from '../../shared/recipe/read.js';
import type { Recipe, SourceRecipe } from '../../shared/recipe/schema.js';
import { filesMatching } from './sources/input-files.js';
import { filesOf } from './sources/list.js';

interface NamedFile {
  readonly path: Path;
  readonly file: string;
}

/**
 * @param folder the recipe's folder, which its paths are relative to
 * @throws UserError 2 with a line for each file that is missing
 */
export async function checkFiles({ recipe, placeOf }: ReadRecipe, folder: string): Promise<void> {
  const lines = await Promise.all(
    filesIn(recipe).map(async ({ path, file }) => {
      const isThere = await access(resolve(folder, file)).then(
        () => true,
        async () => (await filesMatching(resolve(folder, file))).length > 0,
      );
      return isThere
        ? []
        : [`${placeOf(path)}: ${path.join('.')}: ${file} given; a file that is there, relative to the recipe, wanted`];
    }),
  );
  const missing = lines.flat();
  if (missing.length > 0) throw new UserError(missing.join('\n'));
}

function filesIn({ student, teachers, data, labels }: Recipe): NamedFile[] {
  const named: [Path, string | undefined][] = [
    ...('model' in student
      ? ([
          [['student', 'model'], student.model],
          [['student', 'weights'], student.weights],
        ] satisfies [Path, string | undefined][])
      : []),
    ...teachers.map(({ model }, i): [Path, string | undefined] => [['teachers', i, 'model'], model]),
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

function sourceFiles(at: Path, source: SourceRecipe): [Path, string][] {
  return Object.entries(filesOf(source.format, source)).flatMap(([key, named]) =>
    [named ?? []].flat().map((file): [Path, string] => [[...at, key], file]),
  );
}
