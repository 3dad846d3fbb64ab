/** `stillhouse init`: writes a starter recipe, and never over another file. */
import { writeFileSync } from 'node:fs';
import { codeOf, exitCodes, UserError } from '../shared/errors.js';
import { print, shellWord } from './output.js';
import { action, type Verb } from './verb.js';

export const verb: Verb = (program) =>
  program
    .command('init')
    .argument('[file]', 'a new recipe', 'recipe.yaml')
    .description('write a starter recipe')
    .action(action(init));

const problems: Readonly<Record<string, string>> = {
  EEXIST: 'something of that name is there',
  ENOENT: 'its folder is not there',
  ENOTDIR: 'its folder is a file',
};

function problemOf(error: unknown): string {
  return problems[codeOf(error)] ?? `cannot be written (${codeOf(error)})`;
}

async function init(file: string): Promise<number> {
  const { starterRecipe } = await import('./starter.js');
  try {
    writeFileSync(file, starterRecipe, { flag: 'wx' });
  } catch (error) {
    throw new UserError(
      `init ${file}: ${problemOf(error)}; a new file in a folder that is there was wanted`,
      exitCodes.usage,
      error,
    );
  }
  print(`${file}: written. Name your teacher and your data in it, then: stillhouse validate ${shellWord(file)}`);
  return exitCodes.done;
}
