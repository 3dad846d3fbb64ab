/** `stillhouse validate`: checks a recipe, its data and its models, and says what a run of it would be like. */
import { counted } from '../shared/counted.js';
import type { PreparedRun } from '../coordinator/plan/prepared-run.js';
import { exitCodes } from '../shared/errors.js';
import { lookAt, openRecipe, openRun } from './open.js';
import { pluginOption, withRecipe, type PluginFlags, type RecipeFlags } from './options.js';
import { print, warn } from './output.js';
import { action, type Verb } from './verb.js';

export const verb: Verb = (program) =>
  withRecipe(program.command('validate').argument('<recipe>').description('check a recipe, its data and its models'))
    .addOption(pluginOption())
    .action(action(validate));

/** A run of fewer micro-batches a step than these hardly profits from a second worker. */
const fewMicroBatches = 4;

async function validate(file: string, flags: RecipeFlags & PluginFlags): Promise<number> {
  const { recipe, warnings } = await openRecipe(file, flags);
  const { describeLosses } = await import('../shared/recipe/describe.js');
  const { describeStudentEngine } = await import('../coordinator/plan/run-engines.js');
  const { microBatchCount } = await import('../shared/replica/reduction/tree.js');
  warnings.forEach(warn);
  const run = await openRun(recipe, file, flags);
  await lookAt(run, { tell: print });
  const sizes = await sizesOf(run);
  describeLosses(run.recipe).forEach(print);
  print(describeStudentEngine(run.engines));
  sizes.forEach(print);
  const { size, micro = size } = recipe.batch;
  const m = microBatchCount(size, micro);
  print(`M = ${counted(m, 'micro-batch')} a step: at most ${counted(m, 'worker')} can work on one`);
  if (m < fewMicroBatches)
    warn(`fewer than four micro-batches for even one worker: choose a smaller batch.micro (now ${micro})`);
  print(`${file}: valid`);
  return exitCodes.done;
}

async function sizesOf({ recipe, student, manifest: { train, classes } }: PreparedRun): Promise<string[]> {
  const { planReplica } = await import('../shared/replica/plan.js');
  const { contributionBytes } = await import('../shared/replica/reduction/contribution.js');
  const { coordinatorSlots, replicaBytes, workerSlots } = await import('../shared/replica/slot-counts.js');
  const { taskOf, widthText } = await import('../shared/task.js');
  const plan = planReplica(student, recipe.optimizer, recipe.compression);
  const trained = plan.trained.reduce((sum, { size }) => sum + size, 0);
  const atCoordinator = replicaBytes(plan, coordinatorSlots(plan, recipe.batch).buffers);
  const atWorker = replicaBytes(plan, workerSlots(plan, recipe.batch));
  return [
    `student: ${counted(trained, 'trained parameter')}; state ${plan.stateBytes} bytes on each replica`,
    `gradients: ${contributionBytes(plan)} bytes a contribution (compression: ${recipe.compression})`,
    `replica: ${atCoordinator} bytes at the coordinator, ${atWorker} at each worker, beside models and data`,
    `data: ${counted(train.samples, 'sample')} of [${train.shape.join(', ')}], ${widthText(taskOf(recipe), classes)}`,
  ];
}
