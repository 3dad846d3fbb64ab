/** A run as it is found in its folder: the stores are opened, the state is recovered, and the reports start from it. */
import { join } from 'node:path';
import { weightsAt } from '../shared/recipe/schedules.js';
import { planReplica } from '../shared/replica/plan.js';
import { Replica } from '../shared/replica/replica.js';
import { coordinatorSlots } from '../shared/replica/slot-counts.js';
import { mustAt } from '../shared/must.js';
import { taskOf } from '../shared/task.js';
import type { PreparedRun } from './plan/prepared-run.js';
import { unitsOf } from './plan/units-of.js';
import type { UnitPlan } from './plan/units.js';
import { expectBest, openProbes, sayDamaged, type GoingOn } from './folder-files.js';
import type { MetricsLine } from './reports/metrics.js';
import type { RunStart } from './reports/outputs/output.js';
import { referencesOf } from './reports/references.js';
import { stepsIn } from './reports/steps.js';
import { Account } from './reports/totals.js';
import { reportedSteps } from './run-reports.js';
import { expectSameState, expectSameUnits } from './store/changed-recipe.js';
import { readGenerations } from './store/generations.js';
import { afterRewinds, type JournalLine } from './store/journal.js';
import { readJournal, type Journal } from './store/journal-file.js';
import type { KeptCommits } from './store/kept-commits.js';
import { CommitLog } from './store/log.js';
import { recover, type Recovered } from './store/recovery.js';
import { identityOf } from './store/resolved-recipe.js';
import type { RunFolder } from './store/run-folder.js';
import { Snapshots } from './store/snapshots.js';
import { stepAside } from './store/step-aside.js';
import { checkCoverage, checkJournal, countsSamples } from './verify/checks.js';
import type { Probes } from './workers/numerics.js';

/** `log` and `journal` are the caller's to close. */
export interface RecoveredRun {
  readonly folder: RunFolder;
  readonly replica: Replica;
  /** Slots for contributions, which the core gives away. */
  readonly slots: number;
  /** Buffers behind them, and for commits that are still being sent. */
  readonly buffers: number;
  readonly log: KeptCommits;
  readonly journal: Journal;
  readonly snapshots: Snapshots;
  /** Where the run stands, and the lines of its journal that count. */
  readonly standing: Omit<Recovered, 'journal'>;
  readonly account: Account;
  readonly units: UnitPlan;
  readonly probes: Probes;
}

type FoundStores = Pick<RecoveredRun, 'folder' | 'replica' | 'log' | 'journal' | 'snapshots' | 'standing'>;

/** @throws UserError (2) when the folder's run cannot go on with this recipe, (65) when it is damaged, (69) storage */
export async function recoverRun(folder: RunFolder, run: PreparedRun, options: GoingOn): Promise<RecoveredRun> {
  const log = await CommitLog.open(folder.paths.log);
  try {
    return await recoverWith(log, folder, run, options);
  } catch (error) {
    await log.close();
    throw error;
  }
}

async function recoverWith(
  log: CommitLog,
  folder: RunFolder,
  run: PreparedRun,
  options: GoingOn,
): Promise<RecoveredRun> {
  const { reporter, timeOfDayMs } = options;
  const plan = planReplica(run.student, run.recipe.optimizer, run.recipe.compression);
  const { contributions: slots, buffers } = coordinatorSlots(plan, run.recipe.batch);
  const replica = new Replica(plan, { slots: buffers });
  const snapshots = await Snapshots.open(folder.paths.snapshots, folder.run, run.recipe.snapshots.keep);
  if (folder.changes.length > 0) expectSameState(folder.path, snapshots, plan);
  const { journal, ...standing } = await recover({
    replica,
    log,
    snapshots,
    journalPath: folder.paths.journal,
    initialWeights: run.initialWeights,
    recipeDigest: run.recipeDigest,
    run: folder.run,
    logsGradients: run.recipe.log.gradients,
    faultIn: (lines) => faultIn(lines, run),
    generation: folder.generation.counter,
    timeOfDayMs,
    warn: (text) => reporter.say('warn', text),
  });
  const units = unitsOf(run);
  if (folder.changes.length > 0) {
    expectSameUnits(folder.path, standing.lines, units);
    reporter.say(
      'warn',
      `continuing at step ${standing.step} with another recipe: ${folder.changes.join('; ')}; from here on its bits are the new recipe's`,
    );
  }
  const { account, closedEpochs } = accountOf(run, units, standing);
  await sayDamaged({ folder, standing }, closedEpochs, { reporter });
  // Only now: until here the folder's own recipe is the one to compare with.
  await folder.write('recipe.yaml', identityOf(run).recipeText);
  const stores = { folder, replica, log, journal, snapshots, standing };
  const kept = run.recipe.log.gradients ? log : await withoutLog(run, units, stores, options);
  const found = { folder, replica, slots, buffers, log: kept, journal, snapshots, standing, account, units };
  await expectBest(found, run.student, options);
  await reporter.start(startOf(run, found, { closedEpochs, baseline: options.baseline }));
  const { totalSteps } = units;
  if (standing.step > 0) reporter.say('info', `continuing ${folder.path} at step ${standing.step} of ${totalSteps}`);
  return { ...found, probes: await openProbes(found, options) };
}

function withoutLog(
  { recipe, recipeDigest }: PreparedRun,
  { stepsPerEpoch }: UnitPlan,
  { folder, replica, log, journal, snapshots, standing }: Omit<FoundStores, 'log'> & { readonly log: CommitLog },
  { reporter }: Pick<GoingOn, 'reporter'>,
): Promise<KeptCommits> {
  const { step, update, unit, stateHash } = standing;
  const epoch = Math.floor(step / stepsPerEpoch);
  return stepAside({
    path: folder.path,
    ...{ log, snapshots, replica },
    position: { step, update, unit, epoch, stateHash, recipeDigest, journal: journal.head },
    everySteps: recipe.snapshots.everySteps,
    everySeconds: recipe.snapshots.everySeconds,
    say: (text) => reporter.say('info', text),
  });
}

/**
 * Where a finished run stands, by its folder, which stays as it is.
 * @throws UserError (65) where its journal or its generations are damaged
 */
export async function finishedStart(path: string, run: PreparedRun, baseline: GoingOn['baseline']): Promise<RunStart> {
  const generations = await readGenerations(path);
  const generation = mustAt(generations, generations.length - 1, 'generation');
  const read = await readJournal(join(path, 'journal.jsonl'), { run: generation.run, logged: new Map() });
  const lines = afterRewinds(read.lines);
  const units = unitsOf(run);
  const standing = { step: units.totalSteps, lines };
  const { account, closedEpochs } = accountOf(run, units, standing);
  const folder = { run: generation.run, generation };
  return startOf(run, { folder, units, standing, account }, { closedEpochs, baseline });
}

/** A run as far as its journal tells. */
interface Journalled extends Pick<RecoveredRun, 'units' | 'account'> {
  readonly folder: Pick<RunFolder, 'run'> & { readonly generation: Pick<RunFolder['generation'], 'counter'> };
  readonly standing: Pick<RecoveredRun['standing'], 'step' | 'lines'>;
}

/** Where the run stands, for those who are told of it. */
function startOf(
  run: PreparedRun,
  { folder, units, standing, account }: Journalled,
  { closedEpochs, baseline }: Pick<RunStart, 'closedEpochs'> & Pick<GoingOn, 'baseline'>,
): RunStart {
  const { step, lines } = standing;
  const { totalSteps, epochs } = units;
  const { run: id, generation } = folder;
  const compared = { task: taskOf(run.recipe), teachers: run.teachers, baseline };
  return {
    ...{ step, totalSteps, epochs, closedEpochs, run: id, generation: generation.counter },
    beganMs: mustAt(lines, 0, 'line').atMs,
    recipe: identityOf(run).recipeText,
    steps: () => stepsIn(lines, reportedSteps(run, totalSteps)),
    references: () => referencesOf(compared, account),
  };
}

/** What `verify` would call the journal damaged for. */
function faultIn(lines: readonly JournalLine[], { recipe }: PreparedRun): string | null {
  const checks = [checkJournal(lines, countsSamples(recipe)), checkCoverage(lines)];
  return checks.find(({ isSound }) => !isSound)?.text ?? null;
}

/** The account from the journal, and the epochs that it closes. */
function accountOf(
  run: PreparedRun,
  units: UnitPlan,
  standing: Pick<RecoveredRun['standing'], 'lines'>,
): { readonly account: Account; readonly closedEpochs: readonly MetricsLine[] } {
  const account = new Account({
    task: taskOf(run.recipe),
    weightsAt: (step) => weightsAt(run.recipe.losses, step, units.totalSteps),
    closesEpoch: (unit) => units.closesEpoch(unit),
    patience: run.recipe.evaluate.earlyStop?.patience,
  });
  return { account, closedEpochs: standing.lines.flatMap((line) => account.add(line) ?? []) };
}
