/** `stillhouse compare`: the student alone against the student distilled, over several seeds. */
import { join } from 'node:path';
import { exitCodes, UserError } from '../shared/errors.js';
import { runLocally } from './local-run.js';
import { openRecipe } from './open.js';
import { backendOption, withRun, type RunFlags } from './options.js';
import { print, say } from './output.js';
import { positive } from './values.js';
import { action, type Verb } from './verb.js';
import { openWholeRun } from './whole-run.js';

interface CompareFlags extends RunFlags {
  readonly seeds: number;
}

export const verb: Verb = (program) =>
  withRun(
    program
      .command('compare')
      .argument('<recipe>')
      .description('student alone against student distilled, over several seeds'),
  )
    .option('--seeds <n>', "how many, from the recipe's on", positive, 5)
    .option('--workers <n>', 'local workers', positive)
    .addOption(backendOption())
    .action(action(compare));

/** Runs each seed with its baseline. Started again, it continues where it was: finished seeds are only read. */
async function compare(file: string, flags: CompareFlags): Promise<number> {
  const { compareSeeds, comparisonText } = await import('../coordinator/reports/compare.js');
  const { readSummary } = await import('../coordinator/results.js');
  const { isFinished } = await import('../coordinator/store/run-folder.js');
  const { taskOf, hasLabels } = await import('../shared/task.js');
  const wanted = { ...flags, set: [...flags.set, 'baseline=true'] };
  const { recipe } = await openRecipe(file, wanted);
  if (recipe.data.eval === undefined || !hasLabels(taskOf(recipe), recipe.data.eval))
    throw new UserError(`${file}: data.eval: no labels; an evaluation set with labels wanted, to compare by`);
  const comparison = await compareSeeds({
    firstSeed: recipe.seed,
    seeds: flags.seeds,
    out: flags.out ?? join('runs', `${recipe.name}-compare`),
    run: async (seed, folder) => {
      const opened = await openWholeRun(file, { ...wanted, seed, out: folder, number: true });
      if (flags.quiet !== true) say(`seed ${seed} (${seed - recipe.seed + 1} of ${flags.seeds})`);
      return (await isFinished(folder)) ? readSummary(folder, opened.run.recipeDigest) : runLocally(opened, wanted);
    },
  });
  print(flags.json === true ? JSON.stringify(comparison) : comparisonText(comparison));
  return exitCodes.done;
}
