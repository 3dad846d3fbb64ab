/** `stillhouse eval`: how good a model of any format is on a recipe's evaluation set. */
import { basename, dirname, resolve } from 'node:path';
import { Option } from 'commander';
import { exitCodes, UserError } from '../shared/errors.js';
import type { AskedModel } from './evaluate/asked-model.js';
import { modelFields, type ModelFlags } from './model-flags.js';
import { readRecipeFile, remoteFiles } from './open.js';
import { withRecipe, type RecipeFlags } from './options.js';
import { print, warn } from './output.js';
import { action, type Verb } from './verb.js';

interface EvalFlags extends RecipeFlags, ModelFlags {
  /** The recipe's file. */
  readonly data: string;
  readonly as?: string;
  readonly teacher?: string;
  readonly teacherAs?: string;
  readonly against?: string;
  readonly againstAs?: string;
  readonly json?: boolean;
}

export const verb: Verb = (program) =>
  withRecipe(
    program
      .command('eval')
      .argument('<model>', "run folder, model.json, .onnx, SavedModel folder, or a name of the recipe's teachers")
      .description('how good a model is')
      .requiredOption('--data <recipe>', 'the recipe whose evaluation set and preprocessing to use')
      .option('--as <teacher>', 'take the model as the recipe takes this teacher (default: as the one that it is)')
      .addOption(new Option('--output <kind>', 'what it gives').choices(['logits', 'probabilities']))
      .option('--output-name <name>', 'which of its outputs')
      .option('--input <name>', 'which of its inputs gets the samples')
      .option('--inputs <yaml>', 'what each of its inputs is given: { input_ids: COLUMN, ... }')
      .addOption(new Option('--layout <layout>', 'of its images').choices(['nhwc', 'nchw']))
      .option('--classes <file>', 'the names of its classes in their order, one a line')
      .option('--signature <name>', 'of a SavedModel')
      .option('--preprocess <yaml>', "of the raw samples, in place of the recipe's: { scale, mean, std }")
      .option('--resize <yaml>', 'what its images are brought to: [height, width]')
      .addOption(new Option('--channels <count>', 'of its images').choices(['1', '3']))
      .option('--teacher <model>', 'also its agreement with this model')
      .option('--teacher-as <teacher>', 'take that model as the recipe takes this teacher')
      .option('--against <model>', 'also which of the two is better, sample by sample')
      .option('--against-as <teacher>', 'take that model as the recipe takes this teacher')
      .option('--json'),
  ).action(action(evaluate));

async function evaluate(model: string, flags: EvalFlags): Promise<number> {
  const { data, as, teacher, teacherAs, against, againstAs, json } = flags;
  const fields = await modelFields(flags);
  const { recipe } = await readRecipeFile(data, flags);
  if (flags.classes !== undefined && recipe.data.classNames === undefined)
    throw new UserError(
      `--classes ${flags.classes}: ${data} has no names to bring them into the order of; data.classNames wanted there`,
    );
  const { evaluateModel, evaluationText } = await import('./evaluate/evaluate.js');
  const { withLocalTeachers } = await import('./prepare/remote-models.js');
  const other = (given: string | undefined, name: string | undefined): AskedModel | undefined =>
    given === undefined ? undefined : { given, as: name };
  const remote = await remoteFiles();
  const asked = [model, as, teacher, teacherAs, against, againstAs].flatMap((name) => name ?? []);
  const report = await withLocalTeachers(recipe.teachers, remote, asked)
    .then((teachers) =>
      evaluateModel({
        model: { given: model, as, fields },
        teacher: other(teacher, teacherAs),
        against: other(against, againstAs),
        recipe: { ...recipe, teachers },
        recipeFolder: resolve(dirname(data)),
        remote,
        warn: (text) => warn(remote.text(text)),
      }),
    )
    .catch((error: unknown) => {
      throw remote.error(error);
    });
  print(json === true ? JSON.stringify(report) : evaluationText(basename(model), report, recipe.data.classNames));
  return exitCodes.done;
}
