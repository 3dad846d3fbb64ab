/** `stillhouse plan`: how fast a recipe would run on a cluster, from speeds that are measured here or given. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { PreparedRun } from '../coordinator/plan/prepared-run.js';
import { exitCodes, readProblem, UserError } from '../shared/errors.js';
import { parseJson } from '../shared/json.js';
import { openRecipe, openRun } from './open.js';
import { backendOption, pluginOption, withRecipe, type LocalFlags, type RecipeFlags } from './options.js';
import { print, say, warn } from './output.js';
import type { PlannedRun } from './plan/advice.js';
import { bandwidth, duration, milliseconds } from './plan/quantities.js';
import type { StepShape, StepSpeeds } from './plan/step-model.js';
import { positive } from './values.js';
import { action, type Verb } from './verb.js';

interface PlanFlags extends RecipeFlags, LocalFlags {
  readonly hosts: number;
  /** Workers of each host. */
  readonly gpus: number;
  /** Bytes a second. */
  readonly bandwidth?: number;
  /** Milliseconds one way. */
  readonly latency: number;
  readonly labelMs?: number;
  readonly studentMs?: number;
  readonly speeds?: string;
  readonly json?: boolean;
}

export const verb: Verb = (program) =>
  withRecipe(
    program.command('plan').argument('<recipe>').description('how fast a recipe would run on so many machines'),
  )
    .option('--hosts <n>', 'machines with workers', positive, 1)
    .option('--gpus <n>', 'workers of each, with a device of their own', positive, 1)
    .option('--bandwidth <rate>', 'of the link of each host and of the coordinator: 25Gbit, 800Mbit', bandwidth)
    .option('--latency <time>', 'one way: 0.1ms, 50us', duration, 0)
    .option('--label-ms <ms>', "a micro-batch's labels, instead of what is measured here", milliseconds)
    .option('--student-ms <ms>', "a micro-batch's gradients, instead of what is measured here", milliseconds)
    .option('--speeds <file>', 'what plan --json printed before, instead of measuring')
    .addOption(pluginOption())
    .addOption(backendOption())
    .option('--json', 'the plan as JSON')
    .option('--quiet', 'no progress')
    .action(action(plan));

/** Steps that are measured. */
const measuredSteps = 12;

async function plan(file: string, flags: PlanFlags): Promise<number> {
  const given = flags.speeds === undefined ? null : readSpeeds(flags.speeds);
  const { predictStep } = await import('./plan/step-model.js');
  const { adviceFor } = await import('./plan/advice.js');
  const { recipe, warnings } = await openRecipe(file, flags);
  warnings.forEach(warn);
  const { eval: _, ...data } = recipe.data;
  // What is planned are steps that label: evaluations, the baseline, results and labels that are there are left out.
  const labels = { ...recipe.labels, cache: false, wait: false };
  const run = await openRun({ ...recipe, data, labels, baseline: false, evaluate: { everyEpochs: 1 } }, file, flags);
  const { shapeOf } = await import('./plan/shape.js');
  const { shape, bytesBy } = await shapeOf(run);
  if (given !== null) expectShape(given.shape, shape, flags.speeds);
  const measured = given?.speeds ?? (await measure(run, shape, flags));
  const speeds = {
    ...measured,
    labelMs: flags.labelMs ?? measured.labelMs,
    studentMs: flags.studentMs ?? measured.studentMs,
  };
  const planned: PlannedRun = { speeds, shape, bytesBy, cluster: clusterOf(flags) };
  const prediction = predictStep(speeds, shape, planned.cluster);
  const advice = adviceFor(planned);
  if (flags.json === true) print(JSON.stringify({ speeds, shape, cluster: planned.cluster, prediction, advice }));
  else {
    const { planText } = await import('./plan/plan-text.js');
    planText(planned, prediction, advice).forEach(print);
  }
  return exitCodes.done;
}

async function measure(run: PreparedRun, shape: StepShape, flags: PlanFlags): Promise<StepSpeeds> {
  const { measureSpeeds } = await import('./plan-speeds.js');
  if (flags.quiet !== true) say(`measuring ${measuredSteps} steps of ${run.name} with one worker of this machine`);
  return measureSpeeds(run, shape, { steps: measuredSteps, flags });
}

function clusterOf({ hosts, gpus, bandwidth: rate, latency }: PlanFlags): PlannedRun['cluster'] {
  return {
    hosts,
    workersPerHost: gpus,
    hostBytesPerSecond: rate ?? null,
    coordinatorBytesPerSecond: rate ?? null,
    latencyMs: latency,
    slowdown: 1,
  };
}

const time = z.number().nonnegative();
const count = z.number().int().positive();
const speedsSchema = z.object({
  speeds: z
    .object({
      ...{ labelMs: time, studentMs: time, addMs: time, loadMs: time, sendMs: time, receiveMs: time, applyMs: time },
      ...{ commitReduceMs: time, commitApplyMs: time, fsyncMs: time, otherMs: time },
    })
    .strict(),
  shape: z.object({ samples: count, microBatches: count, bytes: count }).optional(),
});

type Measured = z.infer<typeof speedsSchema>;

/** @throws UserError 2 for speeds of steps of another shape, which say nothing of this recipe's */
function expectShape(given: Measured['shape'], own: StepShape, file = ''): void {
  if (given === undefined) return;
  const textOf = ({ samples, microBatches, bytes }: StepShape): string =>
    `${samples} samples in ${microBatches} micro-batches with gradients of ${bytes} bytes`;
  if (textOf(given) !== textOf(own))
    throw new UserError(
      `--speeds ${file}: of steps of ${textOf(given)}; ${textOf(own)} wanted, as this recipe has them`,
    );
}

/** @throws UserError 2 for what is not a plan as JSON */
function readSpeeds(file: string): Measured {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new UserError(
      `--speeds ${file}: ${readProblem(error)}; what plan --json printed was wanted`,
      exitCodes.usage,
      error,
    );
  }
  const checked = speedsSchema.safeParse(parseJson(bytes));
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  throw new UserError(
    `--speeds ${file}: ${issue === undefined || issue.path.length === 0 ? 'the file' : issue.path.join('.')}: ${issue?.message ?? 'wrong'}; what plan --json printed was wanted`,
  );
}
