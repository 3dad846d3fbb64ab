/** Finds the files that a recipe names and that do not exist, all at once and before any is read. */
import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { exitCodes, UserError, type ExitCode } from '../../shared/errors.js';
import type { Path } from '../../shared/recipe/source-lines.js';
import type { ReadRecipe } from '../../shared/recipe/read.js';
import { isRemote } from './remote/list.js';
import { RemoteFiles } from './remote/remote-files.js';
import type { Recipe, SourceRecipe } from '../../shared/recipe/schema.js';
import { filesMatching } from './sources/input-files.js';
import { filesOf } from './sources/list.js';

/** A file that a recipe names, and the key that names it. */
export interface RecipeFile {
  readonly path: Path;
  readonly file: string;
}

/**
 * @param folder the recipe's folder, which its paths are relative to
 * @param remote asks for the files of other machines; of none of them anything is read
 * @throws UserError 2 with a line for each file that is missing, 69 where servers do not answer and nothing else is wrong
 */
export async function checkFiles(
  { recipe, placeOf }: ReadRecipe,
  folder: string,
  remote: Pick<RemoteFiles, 'isThere'> = new RemoteFiles(),
): Promise<void> {
  const problems = (
    await Promise.all(
      filesIn(recipe).map(async ({ path, file }): Promise<Problem[]> => {
        const where = `${placeOf(path)}: ${path.join('.')}`;
        try {
          const isThere = isRemote(file) ? await remote.isThere(file) : await isLocal(resolve(folder, file));
          const wanted = isRemote(file) ? 'a file that is there' : 'a file that is there, relative to the recipe,';
          return isThere ? [] : [{ text: `${where}: ${file} given; ${wanted} wanted`, exitCode: exitCodes.usage }];
        } catch (error) {
          if (!(error instanceof UserError) || error.exitCode === exitCodes.stopped) throw error;
          return [{ text: `${where}: ${error.message}`, exitCode: error.exitCode }];
        }
      }),
    )
  ).flat();
  const [first] = problems;
  if (first === undefined) return;
  const worst = problems.find(({ exitCode }) => exitCode === exitCodes.usage) ?? first;
  throw new UserError(problems.map(({ text }) => text).join('\n'), worst.exitCode);
}

interface Problem {
  readonly text: string;
  readonly exitCode: ExitCode;
}

async function isLocal(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    async () => (await filesMatching(path)).length > 0,
  );
}

/** The files that a recipe names, as it has them. A key with a list of files comes once for each of them. */
export function filesIn({ student, teachers, data, labels }: Recipe): RecipeFile[] {
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
