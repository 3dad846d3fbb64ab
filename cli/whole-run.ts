/** A whole run: opened in its folder, then coordinated to the end, its baseline first where the recipe wants one. */
import { join } from 'node:path';
import type { CoordinateOptions } from '../coordinator/coordinator.js';
import type { PreparedRun } from '../coordinator/plan/prepared-run.js';
import type { MlflowAccess } from '../coordinator/reports/mlflow/client.js';
import type { ReportOutput } from '../coordinator/reports/outputs/output.js';
import type { Summary } from '../coordinator/reports/summary.js';
import type { TraceFile, TraceTotals } from '../coordinator/trace/trace-file.js';
import { counted } from '../shared/counted.js';
import type { KnownElsewhere, OnFinished } from '../coordinator/store/run-folder.js';
import type { ServerTls } from '../coordinator/server/secure.js';
import type { CredentialSource } from '../shared/access/credentials.js';
import { cacheFolder } from '../shared/cache-folder.js';
import { labelStorage } from '../shared/labels/storage.js';
import { endWithWhatIsKept } from './endings.js';
import { lookAt, openRecipe, openRun, prepare, remoteFiles } from './open.js';
import { memoryFolderOf, type FolderFlags } from './options.js';
import { clearWork, isColored, logFormat, say, sayThrough, showWork, warn } from './output.js';
import { inGoodOrder, onSnapshotWanted } from './signals.js';
import type { Address } from './values.js';

/** A run with the folder that it writes to. */
export interface OpenedRun {
  readonly run: PreparedRun;
  readonly out: string;
  /** Where what the run does is drawn; absent: nowhere. */
  readonly trace?: TraceFile | undefined;
}

/**
 * Opens a recipe, its data and its models, and finds its run folder.
 * @throws UserError 2 when something is wrong with them or the folder holds another run, 65 when a file is damaged
 */
export async function openWholeRun(file: string, flags: FolderFlags): Promise<OpenedRun> {
  const { describeLosses } = await import('../shared/recipe/describe.js');
  const { expectFolder, isFinished, knownOf, resolveRunFolder } = await import('../coordinator/store/run-folder.js');
  const { describeStudentEngine } = await import('../coordinator/plan/run-engines.js');
  const { identityOf } = await import('../coordinator/store/resolved-recipe.js');
  const { force, resume } = flags;
  const onFinished = onFinishedOf(flags);
  const wantedOf = ({ name }: { readonly name: string }): string => flags.out ?? join('runs', name);
  let servedBefore: KnownElsewhere['served'] = new Map();
  const { recipe, warnings } = await openRecipe(file, flags, async (read) => {
    await expectFolder(wantedOf(read));
    if (force === true) return;
    const known = await knownOf(wantedOf(read), { onFinished, resume });
    servedBefore = known.served;
    (await remoteFiles()).pin('run', known.remote);
  });
  const wanted = wantedOf(recipe);
  warnings.forEach(warn);
  // Before data is read and models are opened, which may take long.
  await mlflowOf(flags);
  const trace = flags.trace === undefined ? undefined : await openTrace(flags.trace);
  const run = await openRun(recipe, file, { ...flags, servedBefore });
  const tell = flags.quiet === true ? (): void => undefined : say;
  describeLosses(run.recipe).forEach((line) => tell(line));
  tell(describeStudentEngine(run.engines));
  const out = await resolveRunFolder(wanted, identityOf(run), { force, resume, onFinished });
  if (!(await isFinished(out))) await lookAt(run, { tell });
  return { run, out, trace };
}

/** Where the run is shown beside here; null: nowhere. @throws UserError 2 for what is no URL of a server */
async function mlflowOf({ mlflow }: FolderFlags): Promise<MlflowAccess | null> {
  if (mlflow === undefined) return null;
  const { mlflowAccess } = await import('../coordinator/reports/mlflow/client.js');
  return mlflowAccess(mlflow, process.env);
}

async function openTrace(path: string): Promise<TraceFile> {
  const { TraceFile } = await import('../coordinator/trace/trace-file.js');
  return TraceFile.create(path, { warn });
}

/** A folder that is named is read by name afterwards: a run that went elsewhere would leave another one to be read. */
function onFinishedOf({ out, overwrite, number, once }: FolderFlags): OnFinished {
  if (overwrite === true) return 'overwrite';
  if (out !== undefined && number !== true) return 'keep';
  return once === true ? 'once' : 'number';
}

export interface WholeRunOptions {
  /** Where workers connect; port 0 takes a free one. */
  readonly address: Address;
  /** What workers must bring; null: they need nothing. */
  readonly credentials: CredentialSource | null;
  /** Null or absent: links are not encrypted. */
  readonly tls?: ServerTls | null;
  readonly flags: FolderFlags;
  /** The first lease waits for so many workers; absent: for one. */
  readonly expected?: number | undefined;
  /** Whether workers join from elsewhere, which outlive this process. */
  readonly isOpen?: boolean;
  /** Called for the baseline and again for the run itself; both listen on the same port. */
  readonly onListening: (port: number) => void;
}

/**
 * Coordinates the baseline, if the recipe wants one, then the run itself, on one address.
 * @throws UserError 75 when stopped in good order, 69 or 65 as `coordinate` says
 */
export async function coordinateWhole(opened: OpenedRun, options: WholeRunOptions): Promise<Summary> {
  const { trace } = opened;
  try {
    return await coordinateBoth(opened, options);
  } finally {
    const totals = (await trace?.close()) ?? null;
    if (totals !== null && options.flags.quiet !== true) say(traceText(options.flags.trace, totals));
  }
}

function traceText(path = '', { events, bytes, lost }: TraceTotals): string {
  const text = `trace ${path}: ${counted(events, 'event')}, ${(bytes / 1e6).toFixed(1)} MB; open it in https://ui.perfetto.dev`;
  return lost === 0 ? text : `${text} (${counted(lost, 'event')} not written)`;
}

async function coordinateBoth({ run, out, trace }: OpenedRun, options: WholeRunOptions): Promise<Summary> {
  const { coordinate } = await import('../coordinator/coordinator.js');
  const { trackedOutput, watchedOutput } = await import('../coordinator/reports/outputs/outputs.js');
  const { baselineRecipe } = await import('./prepare/baseline.js');
  const { isFinished } = await import('../coordinator/store/run-folder.js');
  const common = await commonOptions(options);
  const [isQuiet, isJson] = [options.flags.quiet === true, logFormat() === 'json'];
  const watchedBy = (name: string): ReportOutput => {
    const watched = watchedOutput({ stream: process.stderr, run: name, isQuiet, isJson, isColored });
    // Lines of workers come meanwhile, and would be written into the bar.
    if (process.stderr.isTTY && !isQuiet && !isJson) sayThrough((line) => watched.say('info', line));
    return watched;
  };
  const access = await mlflowOf(options.flags);
  const told = (name: string, folder: string): Omit<CoordinateOptions, 'next' | 'stopSignal'> => ({
    ...common(),
    trace,
    out: folder,
    reporter: trackedOutput(watchedBy(name), access === null ? null : { access, run: name, folder }),
  });
  let baseline: Summary['baseline'];
  if (run.recipe.baseline) {
    const { name, recipeFolder } = run;
    const recipe = baselineRecipe(run);
    // What is odd about its data and its student has been said of the run itself.
    const unsaid = { warn: () => undefined, note: () => undefined };
    const alone = await prepare({ recipe, name: `${name}-baseline`, recipeFolder, plugins: new Map() }, unsaid);
    const folder = join(out, 'baseline');
    if (!isQuiet) say(`training the student alone (baseline) into ${folder}`);
    const before = told(alone.name, folder);
    const { student, digest } = await inGoodOrder((stopSignal) =>
      coordinate(alone, { ...before, stopSignal, next: true }),
    );
    baseline = { ...student, digest, folder: 'baseline' };
  }
  if (!isQuiet)
    say(
      (await isFinished(out))
        ? `${run.name} is finished in ${out}: nothing is computed again`
        : `distilling ${run.name} into ${out}`,
    );
  const own = { ...told(run.name, out), next: false, ...(baseline === undefined ? {} : { baseline }) };
  const summary = await inGoodOrder((stopSignal) => coordinate(run, { ...own, stopSignal }));
  endWithWhatIsKept();
  return summary;
}

/** Gives the options that the baseline and the run share; the second to ask listens on the first one's port. */
async function commonOptions({
  address,
  credentials,
  tls,
  flags,
  expected,
  isOpen,
  onListening,
}: WholeRunOptions): Promise<() => Omit<CoordinateOptions, 'out' | 'next' | 'reporter' | 'stopSignal'>> {
  const { exportStudent } = await import('../worker/tools/export/export-student.js');
  let listen = address;
  return () => {
    // From here on the run's own output writes to the terminal.
    showWork(false);
    clearWork();
    return {
      listen,
      credentials,
      tls,
      labels: labelStorage(cacheFolder()),
      force: flags.force,
      memoryFolder: memoryFolderOf(flags),
      expected,
      isOpen,
      onSnapshotWanted,
      exportStudent: async (spec, weights, folder, facts) => void (await exportStudent(spec, weights, folder, facts)),
      onListening: (port) => {
        listen = { ...listen, port };
        onListening(port);
      },
    };
  };
}
