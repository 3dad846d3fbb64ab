/**
 * The coordinator of one run: opens the folder, recovers, listens, runs to the end, writes the results. What happens in
 * between is in run.ts; every decision is in decide/.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exitCodes, UserError } from '../shared/errors.js';
import { faultPoint } from '../shared/fault-points.js';
import type { LabelHome } from '../shared/labels/home.js';
import { studentAlone, withoutAdapters, type StudentSpec } from '../shared/models/student-spec.js';
import { contributionBytes } from '../shared/replica/reduction/contribution.js';
import { limits } from '../shared/protocol/messages.js';
import { microBatchCount, rootOf } from '../shared/replica/reduction/tree.js';
import { taskOf } from '../shared/task.js';
import { weightsAt } from '../shared/recipe/schedules.js';
import { planReplica, type ReplicaPlan } from '../shared/replica/plan.js';
import { Replica } from '../shared/replica/replica.js';
import { Account } from './reports/totals.js';
import { listen, type Admission } from './server/server.js';
import { readBest } from './store/best-weights.js';
import { LabelRequests } from './labels/requests.js';
import { LabelService } from './labels/service.js';
import { CommitLog } from './store/log.js';
import { StateLost } from './store/self-check.js';
import { Probes } from './workers/numerics.js';
import { recover, type Recovered } from './store/recovery.js';
import type { ReportOutput } from './reports/outputs/output.js';
import { runOutput } from './reports/outputs/outputs.js';
import { studentResult, summarySchema, teacherResults, weightsDigest, type Summary } from './reports/summary.js';
import { checkTeachers } from './reports/teacher-check.js';
import type { PreparedRun } from './plan/prepared-run.js';
import { isFinished, openRunFolder, type RunFolder } from './store/run-folder.js';
import type { JournalLine } from './store/journal.js';
import { identityOf } from './store/resolved-recipe.js';
import { Run, type Outcome, type RunTimes } from './run.js';
import { Snapshots } from './store/snapshots.js';
import { parseStored } from './store/durable-files.js';
import type { UnitPlan } from './plan/units.js';
import { batchOf, unitsOf } from './plan/units-of.js';

export interface CoordinateOptions {
  readonly listen: { readonly host: string; readonly port: number };
  /** Null: workers need none. */
  readonly token: string | null;
  /** The run folder itself (resolveRunFolder). One that is finished is not run again: its summary is returned. */
  readonly out: string;
  /** What the run's user watches. */
  readonly reporter: ReportOutput;
  readonly stopSignal: AbortSignal;
  /** Calls back whenever the user asks for a snapshot, until what it returns is called. */
  readonly onSnapshotWanted?: (take: () => void) => () => void;
  /** Another run follows on the same address: workers are told to connect again. */
  readonly next: boolean;
  readonly onListening: (port: number) => void;
  /** Writes the student in the forms that others load. */
  readonly exportStudent: (
    spec: StudentSpec,
    weights: ReadonlyMap<string, Float32Array>,
    folder: string,
  ) => Promise<void>;
  /** Where label blocks are kept, over all runs; without it workers keep their own. */
  readonly labels?: LabelHome;
  /** What the baseline came to, for this run's summary. */
  readonly baseline?: Summary['baseline'];
  /** Whether an unfinished run may be continued with another recipe. */
  readonly force?: boolean | undefined;
  /** The first lease waits for so many workers (default 1). */
  readonly expected?: number | undefined;
  readonly times?: Partial<RunTimes>;
  /** Time of day; default the machine's. */
  readonly nowMs?: () => number;
}

interface GenerationOptions extends CoordinateOptions {
  readonly isRebuilt: boolean;
}

const defaultTimes: RunTimes = {
  heartbeatMs: 250,
  silenceMs: 1500,
  firstLeaseMs: 180_000,
  tickMs: 200,
  patienceMs: 3000,
};
/** Slots for contributions that come before their neighbours: small students can afford more. */
const earlySlots = { small: 16, big: 2 };
/** Buffers for commits that sockets still read while the next step fills. */
const retiredSlots = 2;

/** So often a coordinator rebuilds its replica before it gives its machine's memory up. */
const rebuildLimit = 3;

/** @throws UserError: 75 stopped in good order, 69 storage, lock or memory, 65 diverged or damaged */
export async function coordinate(run: PreparedRun, options: CoordinateOptions): Promise<Summary> {
  if (await isFinished(options.out)) return readSummary(options.out, run.recipeDigest);
  let { listen } = options;
  const onListening = (port: number): void => {
    listen = { ...listen, port };
    options.onListening(port);
  };
  for (let rebuilt = 0; ; rebuilt++) {
    try {
      return await coordinateOnce(run, { ...options, listen, onListening, isRebuilt: rebuilt > 0 });
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

/** One generation. @throws StateLost when the next one is to rebuild the state */
async function coordinateOnce(run: PreparedRun, options: GenerationOptions): Promise<Summary> {
  const folder = await openRunFolder(options.out, identityOf(run), { force: options.force });
  try {
    return await runIn(folder, run, { ...options, reporter: runOutput(options.reporter, folder) });
  } finally {
    await folder.close();
  }
}

export async function readSummary(path: string, recipeDigest: string): Promise<Summary> {
  const file = join(path, 'summary.json');
  const text = await readFile(file, 'utf8');
  const summary = parseStored(file, summarySchema, () => JSON.parse(text));
  if (summary.recipeDigest !== recipeDigest)
    throw new UserError(`${path}: holds a finished run of another recipe; choose another --out`);
  return summary;
}

interface Opened {
  readonly replica: Replica;
  readonly slots: number;
  readonly buffers: number;
  readonly log: CommitLog;
  readonly snapshots: Snapshots;
  readonly recovered: Recovered;
  readonly account: Account;
  readonly units: UnitPlan;
  readonly probes: Probes;
}

async function runIn(folder: RunFolder, run: PreparedRun, options: GenerationOptions): Promise<Summary> {
  const opened = await openStores(folder, run, options);
  const active = new Run({
    ...opened,
    run,
    folder,
    ...options,
    expected: options.isRebuilt ? 1 : (options.expected ?? 1),
    times: { ...defaultTimes, ...options.times },
    nowMs: options.nowMs ?? Date.now,
    clockMs: () => performance.now(),
    onDrop: () => labels?.endLeases(),
  });
  const labels = openLabels(run, options, (error) => active.fail(error));
  if (opened.account.dropped.size > 0) labels?.endLeases();
  let admission: Admission | null = null;
  try {
    // An earlier start may have ended because of them.
    if (opened.account.teachers !== undefined) checkTeachers(opened.account.teachers, run, options.reporter);
    for (const line of (await labels?.lines()) ?? []) options.reporter.say('info', line);
    admission = await listen({
      ...options.listen,
      token: options.token,
      labels: labels === null ? undefined : new LabelRequests(labels),
      isReady: () => !active.isOver,
      onError: (error) => active.fail(error),
      find: (sha256) => active.findArtifact(sha256),
      onWorker: (socket, peer) => active.connect(socket, peer),
    });
    options.onListening(admission.port);
    faultPoint('idle');
    const outcome = await active.finished();
    if (outcome.type === 'rebuild') throw new StateLost(outcome.reason);
    const summary = outcome.type === 'done' ? await writeResults({ folder, run, options, active, opened }) : null;
    await labels?.settle();
    await active.sayEnd(endOf(outcome, options.next));
    return summary ?? stop(run, outcome);
  } catch (error) {
    // Nothing that a worker could wait for.
    if (error instanceof UserError && error.exitCode === exitCodes.data)
      await active.sayEnd({ reason: 'stopped', text: error.message });
    throw error;
  } finally {
    active.close();
    await active.idle();
    await admission?.close();
    await labels?.close();
    await opened.recovered.journal.close();
    await opened.log.close();
  }
}

function openLabels(
  run: PreparedRun,
  { labels, reporter }: CoordinateOptions,
  onError: (error: unknown) => void,
): LabelService | null {
  return labels === undefined
    ? null
    : LabelService.open({ run, home: labels, warn: (line) => reporter.say('warn', line), onError });
}

async function openStores(folder: RunFolder, run: PreparedRun, options: CoordinateOptions): Promise<Opened> {
  const log = await CommitLog.open(folder.paths.log);
  try {
    return await recoverRun(folder, run, options, log);
  } catch (error) {
    await log.close();
    throw error;
  }
}

async function recoverRun(
  folder: RunFolder,
  run: PreparedRun,
  options: CoordinateOptions,
  log: CommitLog,
): Promise<Opened> {
  const sizes = bufferSizes(run);
  const replica = new Replica(sizes.plan, { slots: sizes.buffers });
  const snapshots = await Snapshots.open(folder.paths.snapshots, run.recipe.snapshots.keep);
  if (folder.changes.length > 0) expectSameState(folder, snapshots, sizes.plan);
  const recovered = await recover({
    replica,
    log,
    snapshots,
    journalPath: folder.paths.journal,
    initialWeights: run.initialWeights,
    recipeDigest: run.recipeDigest,
    generation: folder.generation.counter,
    nowMs: options.nowMs ?? Date.now,
    warn: (text) => options.reporter.say('warn', text),
  });
  const units = unitsOf(run);
  if (folder.changes.length > 0) {
    expectSameUnits(folder, recovered.lines, units);
    options.reporter.say(
      'warn',
      `continuing at step ${recovered.step} with another recipe: ${folder.changes.join('; ')}; from here on its bits are the new recipe's`,
    );
  }
  // Only now: until here the folder's own recipe is the one to compare with.
  await folder.write('recipe.yaml', identityOf(run).recipeText);
  const account = await restartReports(run, options.reporter, { units, recovered });
  if (recovered.step > 0)
    options.reporter.say('info', `continuing ${folder.path} at step ${recovered.step} of ${units.totalSteps}`);
  return { replica, ...sizes, log, snapshots, recovered, account, units, probes: await Probes.open(folder) };
}

/** @throws UserError (2) when the snapshots are not of this student and optimizer */
function expectSameState(folder: RunFolder, snapshots: Snapshots, plan: ReplicaPlan): void {
  const other = snapshots.all.find(({ bytes }) => bytes !== plan.stateBytes);
  if (other === undefined) return;
  throw new UserError(
    `${folder.path}: its state has ${other.bytes} bytes, that of this student and optimizer ${plan.stateBytes}; a run goes on with its own student only: choose another --out`,
  );
}

/** @throws UserError (2) when what is committed so far is not what this recipe's plan begins with */
function expectSameUnits(folder: RunFolder, lines: readonly JournalLine[], units: UnitPlan): void {
  for (const line of lines) {
    if (line.type !== 'commit' && line.type !== 'evaluation') continue;
    const unit = units.unitAt(line.unit);
    const isSame =
      line.type === 'commit'
        ? unit?.kind === 'train' && unit.step === line.step && unit.from === line.from && unit.to === line.to
        : unit?.kind === 'evaluate' &&
          unit.subject === line.subject &&
          unit.step === line.step &&
          unit.to === line.samples;
    if (!isSame)
      throw new UserError(
        `${folder.path}: the ${line.type === 'commit' ? '' : `${line.subject} `}${line.type} at step ${line.step} is not in this recipe's plan of steps; batch size, sample counts and evaluations must stay as they are: choose another --out`,
      );
  }
}

/** The core's slots: the leftmost prefix of the tree and some for contributions that come early. */
function bufferSizes(run: PreparedRun): { plan: ReplicaPlan; slots: number; buffers: number } {
  const plan = planReplica(run.student, run.recipe.optimizer, run.recipe.compression);
  const isBig = contributionBytes(plan) > limits.chunkBytes;
  const { size, micro } = batchOf(run.recipe);
  const slots = rootOf(microBatchCount(size, micro)).level + 1 + (isBig ? earlySlots.big : earlySlots.small);
  return { plan, slots, buffers: slots + (isBig ? retiredSlots : 0) };
}

/** The account from the journal; the report outputs start with the epochs that it closes. */
async function restartReports(
  run: PreparedRun,
  reporter: ReportOutput,
  { units, recovered }: { units: UnitPlan; recovered: Recovered },
): Promise<Account> {
  const account = new Account({
    task: taskOf(run.recipe),
    weightsAt: (step) => weightsAt(run.recipe.losses, step, units.totalSteps),
    closesEpoch: units.closesEpoch,
    patience: run.recipe.evaluate.earlyStop?.patience,
  });
  const closedEpochs = recovered.lines.flatMap((line) => account.add(line) ?? []);
  await reporter.start({
    step: recovered.step,
    totalSteps: units.totalSteps,
    epochs: units.epochs,
    closedEpochs,
  });
  return account;
}

function endOf(outcome: Outcome, next: boolean): { reason: 'done' | 'stopped' | 'next'; text: string } {
  if (outcome.type === 'done') return { reason: next ? 'next' : 'done', text: '' };
  return { reason: 'stopped', text: outcome.reason };
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

interface Finished {
  readonly folder: RunFolder;
  readonly run: PreparedRun;
  readonly options: CoordinateOptions;
  readonly active: Run;
  readonly opened: Opened;
}

async function writeResults({ folder, run, options, active, opened }: Finished): Promise<Summary> {
  const { account, replica } = opened;
  const state = replica.readWeights();
  const { spec, weights } = studentAlone(run.student, state);
  await options.exportStudent(spec, weights, folder.paths.student);
  const best = account.best === undefined ? null : await readBest(folder.path, run.student);
  const others = [
    ...(run.student.exits === undefined ? [] : [{ suffix: 'exits', ...withoutAdapters(run.student, state) }]),
    ...(best === null ? [] : [{ suffix: 'best', spec, weights: studentAlone(run.student, best).weights }]),
  ];
  for (const other of others)
    await options.exportStudent(other.spec, other.weights, `${folder.paths.student}-${other.suffix}`);
  const digests = Object.fromEntries(others.map((other) => [`student-${other.suffix}`, weightsDigest(other.weights)]));
  await folder.expectNewest();
  const task = taskOf(run.recipe);
  const summary: Summary = {
    run: folder.run,
    name: run.name,
    recipeDigest: run.recipeDigest,
    digest: weightsDigest(weights),
    ...(others.length === 0 ? {} : { digests }),
    steps: account.steps,
    samples: account.samples,
    seconds: account.milliseconds / 1000,
    student: studentResult(task, run.student, account.student),
    ...(account.best === undefined
      ? {}
      : { best: { ...studentResult(task, run.student, account.best), step: account.best.step } }),
    ...teacherResults(task, run.teachers, account.teachers),
    ...(account.dropped.size === 0 ? {} : { dropped: [...account.dropped].map(([name, step]) => ({ name, step })) }),
    ...(options.baseline === undefined ? {} : { baseline: options.baseline }),
    leases: active.leases(),
    log: opened.log.written,
    workers: active.workers(),
  };
  await folder.write('summary.json', `${JSON.stringify(summary, null, 2)}\n`);
  return summary;
}
