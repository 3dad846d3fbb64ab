/**
 * The coordinator of one run: opens the folder, recovers, listens, runs to the end, writes the results. What happens in
 * between is in run.ts; every decision is in decide/.
 */
import type { CredentialSource } from '../shared/access/credentials.js';
import { isLoopback } from '../shared/access/loopback.js';
import { exitCodes, UserError } from '../shared/errors.js';
import { faultPoint } from '../shared/fault-points.js';
import type { LabelStorage } from '../shared/labels/storage.js';
import { printable } from '../shared/printable.js';
import { systemTimers } from '../shared/timers.js';
import { coreConfigOf } from './core-config.js';
import { Core } from './decide/decide.js';
import { LabelRequests } from './labels/requests.js';
import { LabelService, newestCount, type LabelServiceOptions } from './labels/service.js';
import { tellLateWorkers } from './late-workers.js';
import type { PageEnd } from './page/browser/messages.js';
import type { PreparedRun } from './plan/prepared-run.js';
import { finishedStart, recoverRun, type RecoveredRun } from './recovered-run.js';
import { expectWhole } from './reports/finished-run.js';
import type { ReportOutput, RunEnding, RunProgress } from './reports/outputs/output.js';
import { joinOutputs, runOutput } from './reports/outputs/outputs.js';
import type { Summary } from './reports/summary.js';
import { checkTeachers } from './reports/teacher-check.js';
import { readSummary, writeResults, type ExportStudent } from './results.js';
import type { RunTimes } from './run-parts.js';
import { endOf, pageEnd } from './run-ending.js';
import { Run, type Outcome } from './run.js';
import { RunPage } from './run-page.js';
import type { ServerTls } from './server/secure.js';
import { listen, type Admission } from './server/server.js';
import { SocketChannel } from './server/socket-channel.js';
import { writeBest } from './store/best-weights.js';
import { liarsIn } from './store/journal.js';
import { identityOf } from './store/resolved-recipe.js';
import { isFinished, openRunFolder, TakenOver, type RunFolder } from './store/run-folder.js';
import { StateLost } from './store/self-check.js';
import { RunTrace, type TraceSink } from './trace/run-trace.js';
import type { RunCounts } from './watch/run-counts.js';
import type { RunStatus } from './watch/run-status.js';

export interface CoordinateOptions {
  readonly listen: { readonly host: string; readonly port: number };
  /** What workers must present; null: they need nothing. */
  readonly credentials: CredentialSource | null;
  /** Null or absent: links are not encrypted. */
  readonly tls?: ServerTls | null | undefined;
  /** The run folder itself (resolveRunFolder). One that is finished is not run again: its summary is returned. */
  readonly out: string;
  /** What the run's user watches. */
  readonly reporter: ReportOutput;
  readonly stopSignal: AbortSignal;
  /** Calls back whenever the user asks for a snapshot, until what it returns is called; absent: nobody can ask. */
  readonly onSnapshotWanted?: (take: () => void) => () => void;
  /** Where files lie that are shared with workers of this host; absent or null: none are. */
  readonly memoryFolder?: string | null | undefined;
  /** Whether another run follows on the same address, so that workers are told to connect again. */
  readonly next: boolean;
  /** Whether one does so, too, after this one has ended before its time; default: no. */
  readonly nextAfter?: (outcome: Outcome) => boolean;
  /**
   * Whether workers join from elsewhere, which outlive this process: they wait for the next one where a scheduler stops
   * this one, and are told of a run that is found to be finished. Default: they end with this process.
   */
  readonly isOpen?: boolean | undefined;
  readonly onListening: (port: number) => void;
  readonly exportStudent: ExportStudent;
  /** Where label blocks are kept, over all runs; without it workers keep their own. */
  readonly labels?: LabelStorage;
  /** What the baseline came to, for this run's summary. */
  readonly baseline?: Summary['baseline'];
  /** Whether an unfinished run may be continued with another recipe. */
  readonly force?: boolean | undefined;
  /** The first lease waits for so many workers (default 1). */
  readonly expected?: number | undefined;
  /** Times that differ from the usual ones, for tests. */
  readonly times?: Partial<RunTimes & { readonly lateMs: number }>;
  /** Time of day in milliseconds since 1970; default the machine's. */
  readonly timeOfDayMs?: () => number;
  /** Where what the run does is drawn; absent: nowhere. */
  readonly trace?: TraceSink | undefined;
}

const usualTimes: RunTimes = {
  heartbeatMs: 250,
  silenceMs: 1500,
  firstLeaseMs: 180_000,
  tickMs: 200,
  patienceMs: 3000,
};

/** How often a coordinator rebuilds its replica before it gives its machine's memory up. */
const rebuildLimit = 3;

/** @throws UserError: 75 stopped in good order, 69 storage, lock or memory, 65 diverged or damaged */
export async function coordinate(run: PreparedRun, options: CoordinateOptions): Promise<Summary> {
  if (await isFinished(options.out)) return toldAgain(run, options);
  let address = options.listen;
  const onListening = (port: number): void => {
    address = { host: address.host, port };
    options.onListening(port);
  };
  for (let rebuilt = 0; ; rebuilt++) {
    try {
      return await coordinateOnce(run, options, { listen: address, onListening, isRebuilt: rebuilt > 0 });
    } catch (error) {
      if (!(error instanceof StateLost)) throw error;
      if (rebuilt === rebuildLimit)
        throw new UserError(
          `${error.message}; it was rebuilt ${rebuildLimit} times: trust another machine's memory, the run is safe up to its last journalled step`,
          exitCodes.unavailable,
        );
      options.reporter.say(
        'warn',
        `${error.message}: it is rebuilt from snapshot and log, and the workers come back to it`,
      );
    }
  }
}

/** How long workers are waited for that have not heard of the end of their run; they try again every two seconds. */
const lateMs = 10_000;

/**
 * The summary of a run that is finished, once the workers that wait for it have been told, as far as they can be: the port
 * may be another's by now. Nothing is computed.
 */
async function toldAgain(run: PreparedRun, options: CoordinateOptions): Promise<Summary> {
  const { out, listen: address, credentials, tls, onListening, stopSignal, reporter, next } = options;
  const summary = await readSummary(out, run.recipeDigest);
  await expectWhole(out, (name) => name.startsWith('student'));
  await reporter.finished(() => finishedStart(out, run, options.baseline));
  if (options.isOpen !== true || next) return summary;
  const waitMs = options.times?.lateMs ?? lateMs;
  reporter.say('info', `workers that wait for it are told so for ${waitMs / 1000} s`);
  try {
    await tellLateWorkers({
      ...{ ...address, credentials, tls, onListening, waitMs, stop: stopSignal },
      end: { type: 'end', run: summary.run, generation: 0, step: summary.steps, reason: 'done', text: '' },
      onNotice: (line) => reporter.say('warn', line),
    });
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    reporter.say('warn', `workers that wait for the run are not told that it is done: ${error.message}`);
  }
  return summary;
}

/** How one generation of the run's folder begins. */
interface Start {
  /** Where to listen: on the port that the first generation was given. */
  readonly listen: CoordinateOptions['listen'];
  readonly onListening: (port: number) => void;
  /** Whether this process has rebuilt the run's state before. */
  readonly isRebuilt: boolean;
}

/** What one generation is coordinated with. */
interface Coordination {
  readonly run: PreparedRun;
  readonly options: CoordinateOptions;
  readonly start: Start;
  /** Reports to the user, and into the run's folder. */
  readonly reporter: ReportOutput;
  readonly page: RunPage;
  /** Time of day in milliseconds since 1970. */
  readonly timeOfDayMs: () => number;
}

/** Coordinates the run in one generation of its folder. @throws StateLost when the next one is to rebuild the state */
async function coordinateOnce(run: PreparedRun, options: CoordinateOptions, start: Start): Promise<Summary> {
  const folder = await openRunFolder(options.out, identityOf(run), { force: options.force });
  try {
    const { timeOfDayMs = Date.now } = options;
    const page = new RunPage({ run, path: folder.path, baseline: options.baseline, timeOfDayMs });
    const reporter = joinOutputs([runOutput(options.reporter, folder), page.live.output]);
    try {
      const summary = await runIn(folder, { run, options, start, reporter, page, timeOfDayMs });
      await reporter.over('done');
      return summary;
    } catch (error) {
      await reporter.over(endingOf(error));
      throw error;
    }
  } finally {
    await folder.close();
  }
}

function endingOf(error: unknown): RunEnding {
  if (error instanceof StateLost) return 'again';
  if (error instanceof TakenOver) return 'taken';
  return error instanceof UserError && error.exitCode === exitCodes.stopped ? 'stopped' : 'failed';
}

async function runIn(folder: RunFolder, coordination: Coordination): Promise<Summary> {
  const { run, options, start, reporter, page, timeOfDayMs } = coordination;
  const { force = false, baseline } = options;
  const recovered = await recoverRun(folder, run, { reporter, timeOfDayMs, force, baseline });
  const active = startRun(coordination, recovered, {
    onDrop: () => labels?.endLeases(),
    labels: newestCount(() => labels),
  });
  const labels = openLabels(coordination, {
    onError: (error) => active.fail(error),
    onAudit: (finding) => active.noteLabels(finding),
    secret: folder.generation.secret,
    liars: liarsIn(recovered.standing.lines, 'labels'),
  });
  if (recovered.account.dropped.size > 0) labels?.endLeases();
  let admission: Admission | null = null;
  let end: PageEnd = { state: 'ended', text: 'the coordinator has ended' };
  try {
    // An earlier start may have ended because of them.
    if (recovered.account.teachers !== undefined) checkTeachers(recovered.account.teachers, run, reporter);
    for (const line of (await labels?.lines()) ?? []) reporter.say('info', line);
    admission = await admitWorkers({ active, labels, recovered }, folder, coordination);
    start.onListening(admission.port);
    faultPoint('idle');
    const summary = await runToEnd(coordination, recovered, { active, labels });
    end = pageEnd(summary, options);
    return summary;
  } catch (error) {
    end = {
      state: error instanceof StateLost ? 'again' : 'ended',
      text: printable(error instanceof Error ? error.message : String(error)),
    };
    // Nothing that a worker could wait for.
    if (error instanceof UserError && error.exitCode === exitCodes.data)
      await active.tellEnd({ reason: 'stopped', text: error.message });
    throw error;
  } finally {
    active.close();
    await active.idle();
    await page.close(end);
    await admission?.close();
    await labels?.close();
    await recovered.journal.close();
    await recovered.log.close();
  }
}

/** What the run asks of the labels. */
interface LabelParts {
  /** Called when the run goes on without one of its teachers. */
  readonly onDrop: () => void;
  readonly labels: RunProgress['labels'];
}

function startRun(
  { run, options, start, reporter, timeOfDayMs }: Coordination,
  recovered: RecoveredRun,
  { onDrop, labels }: LabelParts,
): Run {
  const { folder, replica, slots, buffers, log, journal, snapshots, standing, account, units, probes } = recovered;
  const times = { ...usualTimes, ...options.times };
  const { isRebuilt } = start;
  const isOpenToOthers = !isLoopback(start.listen.host);
  return new Run({
    run,
    units,
    core: new Core(
      coreConfigOf({
        ...{ run, units, plan: replica.plan, standing, times, slots, isRebuilt, isOpenToOthers },
        secret: folder.generation.secret,
      }),
    ),
    replica,
    buffers,
    store: { folder, log, snapshots, journal, writeBest: (weights, step) => writeBest(folder, weights, step) },
    standing,
    account,
    probes,
    reporter,
    timers: systemTimers,
    timeOfDayMs,
    times,
    memoryFolder: options.memoryFolder ?? null,
    // The workers come back by themselves.
    expected: isRebuilt ? 1 : (options.expected ?? 1),
    stopSignal: options.stopSignal,
    isOpen: options.isOpen ?? false,
    onDrop,
    labels,
    onSnapshotWanted: options.onSnapshotWanted ?? (() => () => undefined),
    trace: options.trace === undefined ? undefined : new RunTrace(options.trace, run.name),
  });
}

/** The label service; null where workers keep their own labels. */
function openLabels(
  { run, options, reporter }: Coordination,
  told: Pick<LabelServiceOptions, 'onError' | 'onAudit' | 'secret' | 'liars'>,
): LabelService | null {
  const { labels: storage } = options;
  return storage === undefined
    ? null
    : LabelService.open({ run, storage, warn: (line) => reporter.say('warn', line), ...told });
}

function admitWorkers(
  { active, labels, recovered }: { active: Run; labels: LabelService | null; recovered: RecoveredRun },
  folder: RunFolder,
  { options: { credentials, tls }, start, reporter, page }: Coordination,
): Promise<Admission> {
  const status = async (): Promise<RunStatus> => (await countsOf(active, labels)).status;
  const onFailed = sayOnce((line) => reporter.say('warn', line));
  return listen({
    ...start.listen,
    credentials,
    tls,
    labels: labels === null ? undefined : new LabelRequests(labels),
    isReady: () => !active.isOver,
    operations: {
      status,
      metrics: async () => {
        const { metricsPage } = await import('./watch/metrics-page.js');
        return metricsPage(await countsOf(active, labels));
      },
      stop: () => active.stop('asked to by an admin'),
      drain: (worker) => active.drain(worker),
      journal: { path: folder.paths.journal, run: folder.run },
      page: page.open({ recovered, envelope: active.envelope, status, onError: (error) => onFailed('/live', error) }),
      onFailed,
    },
    onError: (error) => active.fail(error),
    onNotice: (line) => reporter.say('warn', line),
    find: (sha256) => active.findArtifact(sha256),
    onWorker: (socket, transport, origin) => active.connect(new SocketChannel(socket, transport, origin)),
  });
}

/** Says what failed while something was answered, each path's newest failure once in a row. */
function sayOnce(warn: (line: string) => void): (path: string, error: unknown) => void {
  const said = new Map<string, string>();
  return (path, error) => {
    const reason = error instanceof Error ? error.message : String(error);
    if (said.get(path) !== reason) warn(`${path} could not be answered: ${reason}`);
    said.set(path, reason);
  };
}

/** What there is to tell of the run at this moment. */
async function countsOf(active: Run, labels: LabelService | null): Promise<RunCounts> {
  const progress = (await labels?.progress()) ?? null;
  return {
    ...active.counts(),
    status: {
      ...active.status(),
      labels: progress === null ? null : { kept: progress.kept, samples: progress.samples },
    },
    labelsRead: progress?.read ?? null,
    residentBytes: process.memoryUsage.rss(),
  };
}

/** @throws StateLost when the state is to be rebuilt; UserError 75 when stopped in good order, 65 when diverged */
async function runToEnd(
  { run, options, reporter, timeOfDayMs }: Coordination,
  recovered: RecoveredRun,
  { active, labels }: { readonly active: Run; readonly labels: LabelService | null },
): Promise<Summary> {
  const { exportStudent, baseline, force = false, stopSignal } = options;
  const found = await active.finished();
  if (found.type === 'rebuild') throw new StateLost(found.reason);
  // A run that was not asked before its last step has its results yet to write.
  const isLate = found.type === 'done' && stopSignal.aborted;
  const outcome: Outcome = isLate ? { ...found, type: 'stopped', reason: String(stopSignal.reason) } : found;
  const isDone = outcome.type === 'done';
  const [leases, workers] = [active.leases(), active.workers()];
  const warn = (line: string): void => reporter.say('warn', line);
  const written = { exportStudent, baseline, leases, workers, force, timeOfDayMs, warn };
  const summary = isDone ? await writeResults(run, recovered, written) : null;
  if (isDone) faultPoint('results');
  const end = endOf(outcome, options);
  await labels?.settle(end.reason === 'pause');
  await active.tellEnd(end);
  return summary ?? stop(run, outcome);
}

function stop(run: PreparedRun, outcome: Outcome): never {
  if (outcome.type === 'stopped') {
    throw new UserError(
      `${run.name} stopped (${outcome.reason}) at step ${outcome.step}; run the same command again to continue`,
      exitCodes.stopped,
    );
  }
  throw new UserError(`${run.name} ended at step ${outcome.step}: ${outcome.reason}`, exitCodes.data);
}
