/** `stillhouse eval`: how good a model of any format is on a recipe's evaluation set. */
import { basename, dirname, resolve } from 'node:path';
import { exitCodes } from '../shared/errors.js';
import { readRecipeFile } from './open.js';
import { withRecipe, type RecipeFlags } from './options.js';
import { print } from './output.js';
import { action, type Verb } from './verb.js';

interface EvalFlags extends RecipeFlags {
  /** The recipe's file. */
  readonly data: string;
  readonly teacher?: string;
  readonly against?: string;
  readonly json?: boolean;
}

export const verb: Verb = (program) =>
  withRecipe(
    program
      .command('eval')
      .argument('<model>', 'run folder, model.json or .onnx')
      .description('how good a model is')
      .requiredOption('--data <recipe>', 'the recipe whose evaluation set and preprocessing to use')
      .option('--teacher <model>', 'also its agreement with this model')
      .option('--against <model>', 'also which of the two is better, sample by sample')
      .option('--json'),
  ).action(action(evaluate));

async function evaluate(model: string, { data, teacher, against, json, ...flags }: EvalFlags): Promise<number> {
  const { recipe } = await readRecipeFile(data, flags);
  const { evaluateModel, evaluationText } = await import('./evaluate/evaluate.js');
  const report = await evaluateModel({ model, teacher, against, recipe, recipeFolder: resolve(dirname(data)) });
  print(json === true ? JSON.stringify(report) : evaluationText(basename(model), report, recipe.data.classNames));
  return exitCodes.done;
}
