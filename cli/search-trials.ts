/** The trials of a search as runs: each an ordinary run in a folder of its own, all on one address by the same workers. */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { coordinate, type CoordinateOptions } from '../coordinator/coordinator.js';
import type { PreparedRun } from '../coordinator/plan/prepared-run.js';
import { unitsOf } from '../coordinator/plan/units-of.js';
import { silentOutput, type ReportOutput } from '../coordinator/reports/outputs/output.js';
import { joinOutputs, watchedOutput } from '../coordinator/reports/outputs/outputs.js';
import { identityOf } from '../coordinator/store/resolved-recipe.js';
import { isFinished, knownOf, resolveRunFolder } from '../coordinator/store/run-folder.js';
import { cacheFolder } from '../shared/cache-folder.js';
import { exitCodes, UserError } from '../shared/errors.js';
import { figuresSchema } from '../shared/figures/figures.js';
import { ifThere } from '../shared/files.js';
import { parseJson } from '../shared/json.js';
import { labelStorage } from '../shared/labels/storage.js';
import { openPlugins, openRecipe, prepare, remoteFiles } from './open.js';
import { memoryFolderOf, type RunFlags } from './options.js';
import { clearWork, isColored, logFormat, sayThrough, showWork, warn } from './output.js';
import { stoppedByHalving, type RunTrial, type TellEpoch } from './search/search-loop.js';
import type { SearchPlan, SearchTrial, TrialEnd } from './search/search-state.js';
import { assignments } from './search/space.js';
import { onSnapshotWanted } from './signals.js';

/** The settings of all trials: the recipe's baseline is left to the run that is made of the best one. */
export const allTrials: readonly string[] = ['baseline=false'];

/** The folder of a trial's run. */
export function trialFolder(out: string, trial: number): string {
  return join(out, 'trials', String(trial));
}

export interface TrialOptions {
  readonly file: string;
  readonly flags: RunFlags;
  /** The search's folder. */
  readonly out: string;
  readonly plan: SearchPlan;
  readonly credentials: CoordinateOptions['credentials'];
  /** Called for each trial; all listen on the same port. */
  readonly onListening: (port: number) => void;
  /** Aborts when the user stops the search. */
  readonly user: AbortSignal;
}

/** Gives what runs a trial, from its recipe to its summary. Something odd about the recipe is said once. */
export function trialRunner(options: TrialOptions): RunTrial {
  const said = new Set<string>();
  const warnOnce = (text: string): void => {
    if (!said.has(text)) warn(text);
    said.add(text);
  };
  let listen = { host: '127.0.0.1', port: 0 };
  const onListening = (port: number): void => {
    listen = { ...listen, port };
    options.onListening(port);
  };
  return async (trial, tell, stop) => {
    const { user } = options;
    try {
      const opened = await untilStopped(user, openTrial(trial, options, warnOnce));
      return await coordinateTrial(opened, { ...options, trial, tell, stop, listen, onListening });
    } catch (error) {
      if (!(error instanceof UserError) || user.aborted) throw error;
      if (error.exitCode === exitCodes.stopped && stop.aborted) return null;
      // A student that diverges and values that do not go together are results.
      if (error.exitCode !== exitCodes.data && error.exitCode !== exitCodes.usage) throw error;
      return { outcome: 'failed', value: null, reason: error.message.split('\n')[0] };
    }
  };
}

/** What work comes to that does not heed a stop itself. @throws UserError 75 as soon as a stop is asked for */
async function untilStopped<T>(stop: AbortSignal, work: Promise<T>): Promise<T> {
  const over = new AbortController();
  const stopped = new Promise<never>((_, reject) => {
    const end = (): void => reject(new UserError(`stopped (${String(stop.reason)})`, exitCodes.stopped));
    stop.addEventListener('abort', end, { once: true, signal: over.signal });
    if (stop.aborted) end();
  });
  return Promise.race([work, stopped]).finally(() => over.abort());
}

interface OpenedTrial {
  readonly run: PreparedRun;
  readonly folder: string;
}

/** @throws UserError 2 for values that do not go together, or where the folder holds another run */
async function openTrial(
  trial: SearchTrial,
  { file, flags, out }: TrialOptions,
  warnOnce: (text: string) => void,
): Promise<OpenedTrial> {
  const wanted = trialFolder(out, trial.number);
  const set = [...flags.set, ...allTrials, ...assignments(trial.values)];
  const { remote, served: servedBefore } = await knownOf(wanted, { onFinished: 'keep' });
  const { recipe, warnings } = await openRecipe(file, { ...flags, set, quiet: true }, async () =>
    (await remoteFiles()).pin('run', remote),
  );
  warnings.forEach(warnOnce);
  const plugins = await openPlugins(flags);
  const { name } = recipe;
  const told = { warn: warnOnce, note: () => undefined };
  const run = await prepare({ recipe, name, recipeFolder: resolve(file, '..'), plugins, servedBefore }, told);
  return { run, folder: await resolveRunFolder(wanted, identityOf(run), { onFinished: 'keep' }) };
}

interface Coordinated extends TrialOptions {
  readonly trial: SearchTrial;
  readonly tell: TellEpoch;
  /** Aborts when the search gives the trial up, and when the user stops the search. */
  readonly stop: AbortSignal;
  readonly listen: CoordinateOptions['listen'];
}

async function coordinateTrial({ run, folder }: OpenedTrial, told: Coordinated): Promise<TrialEnd> {
  const { flags, plan, trial, tell, listen, onListening, credentials } = told;
  const { exportStudent } = await import('../worker/tools/export/export-student.js');
  if (await isFinished(folder)) await tellFinished(folder, unitsOf(run).epochs, tell);
  // From here on the run's own output writes to the terminal.
  showWork(false);
  clearWork();
  const isLast = trial.number >= plan.trials;
  const { student } = await coordinate(run, {
    ...{ listen, credentials, onListening, onSnapshotWanted, out: folder },
    reporter: joinOutputs([watchedTrial(trial, flags), tellingOutput(tell)]),
    stopSignal: AbortSignal.any([told.user, told.stop]),
    next: !isLast,
    nextAfter: ({ type, reason }) => !isLast && (type === 'failed' || reason === stoppedByHalving),
    memoryFolder: memoryFolderOf(flags),
    labels: labelStorage(cacheFolder()),
    exportStudent: async (spec, weights, place, facts) => void (await exportStudent(spec, weights, place, facts)),
  });
  const value = plan.objective.read(student);
  return value === null
    ? { outcome: 'failed', value, reason: `${plan.objective.name} is no finite number` }
    : { outcome: 'done', value };
}

function watchedTrial({ number }: SearchTrial, { quiet }: RunFlags): ReportOutput {
  const [isQuiet, isJson] = [quiet === true, logFormat() === 'json'];
  const watched = watchedOutput({ stream: process.stderr, run: `trial ${number}`, isQuiet, isJson, isColored });
  // Lines of workers come meanwhile, and would be written into the bar.
  if (process.stderr.isTTY && !isQuiet && !isJson) sayThrough((line) => watched.say('info', line));
  return watched;
}

/** Tells of every epoch that has an evaluation: those of before a coordinator's start, and those that come. */
function tellingOutput(tell: TellEpoch): ReportOutput {
  let of = 1;
  const told = async ({ epoch, eval: evaluation }: Parameters<ReportOutput['epoch']>[0]): Promise<void> => {
    if (evaluation !== undefined) await tell({ epoch: epoch + 1, of, evaluation });
  };
  return {
    ...silentOutput,
    start: async ({ epochs, closedEpochs }) => {
      of = epochs;
      for (const line of closedEpochs) await told(line);
    },
    epoch: told,
  };
}

const number = z.number().optional();
const metricsSchema = z.object({
  epoch: z.number(),
  eval: z.object({ ...figuresSchema, loss: number, calibrationError: number }),
});

/** Tells of the epochs of a run that came to its end before the search was told of them all. */
async function tellFinished(folder: string, of: number, tell: TellEpoch): Promise<void> {
  const bytes = await ifThere(readFile(join(folder, 'metrics.jsonl'), 'utf8'));
  for (const text of (bytes ?? '').split('\n')) {
    const line = metricsSchema.safeParse(parseJson(Buffer.from(text)));
    if (line.success) await tell({ epoch: line.data.epoch + 1, of, evaluation: line.data.eval });
  }
}
