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

async function init(file: string): Promise<number> {
  const { starterRecipe } = await import('./starter.js');
  try {
    writeFileSync(file, starterRecipe, { flag: 'wx' });
  } catch (error) {
    throw new UserError(
      `init ${file}: cannot be written (${codeOf(error)}); a new file in a folder that is there was wanted`,
      exitCodes.usage,
      error,
    );
  }
  print(`${file}: written. Name your teacher and your data in it, then: stillhouse validate ${shellWord(file)}`);
  return exitCodes.done;
}
