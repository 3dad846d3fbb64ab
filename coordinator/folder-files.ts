/**
 * What a run's folder holds beside journal, log and snapshots, when a coordinator goes on with it: recipe, metrics and
 * the numerics' reference are written anew where they are not what they should be, and that is said. The weights of the
 * best evaluation are the only ones that nothing else holds.
 */
import type { StudentSpec } from '../shared/models/student-spec.js';
import type { Replica } from '../shared/replica/replica.js';
import type { MetricsLine } from './reports/metrics.js';
import type { ReportOutput } from './reports/outputs/output.js';
import type { Summary } from './reports/summary.js';
import type { Account } from './reports/totals.js';
import { bestStudent, readBestContent, writeBest } from './store/best-weights.js';
import type { JournalLine } from './store/journal.js';
import type { Journal } from './store/journal-file.js';
import type { RunFolder } from './store/run-folder.js';
import { checkMetrics, metricsLines } from './verify/checks.js';
import { Probes } from './workers/numerics.js';

/** A run as it was found. */
interface FoundRun {
  readonly folder: RunFolder;
  readonly replica: Pick<Replica, 'readWeights'>;
  readonly journal: Pick<Journal, 'append'>;
  readonly standing: { readonly step: number; readonly lines: readonly JournalLine[] };
  readonly account: Account;
}

/** How a run that was found goes on. */
export interface GoingOn {
  readonly reporter: ReportOutput;
  /** Time of day in milliseconds since 1970, for the journal. */
  readonly timeOfDayMs: () => number;
  /** Whether it goes on without the weights of its best evaluation where they are damaged. */
  readonly force: boolean;
  /** What the baseline came to; absent where there is none. */
  readonly baseline?: Summary['baseline'];
}

/** Says where recipe.yaml, summary.json or metrics.jsonl is not what it should be: all are written anew. */
export async function sayDamaged(
  { folder, standing }: Pick<FoundRun, 'folder' | 'standing'>,
  closedEpochs: readonly MetricsLine[],
  { reporter }: Pick<GoingOn, 'reporter'>,
): Promise<void> {
  const say = (name: string, what: string): void =>
    reporter.say('warn', `${folder.path}: ${name} ${what}; it is written anew`);
  const isBegun = standing.step > 0;
  if (folder.isRecipeDamaged) say('recipe.yaml', 'is damaged');
  else if (isBegun && (await folder.read('recipe.yaml')) === null) say('recipe.yaml', 'is missing');
  if (standing.lines.some(({ type }) => type === 'results')) say('summary.json', 'is missing');
  const metrics = checkMetrics(metricsLines(await folder.read('metrics.jsonl')), asWritten(closedEpochs), false);
  if (isBegun && !metrics.isSound) say('metrics.jsonl', `is damaged (${metrics.text})`);
}

function asWritten(lines: readonly MetricsLine[]): unknown[] {
  return JSON.parse(JSON.stringify(lines)) as unknown[];
}

/** @throws UserError (65) when only probe.json has the reference, and it is damaged */
export async function openProbes({ folder, journal, standing }: FoundRun, options: GoingOn): Promise<Probes> {
  const { reporter, timeOfDayMs } = options;
  const line = standing.lines.findLast(({ type }) => type === 'reference');
  return Probes.open({
    folder,
    journalled: line?.type === 'reference' ? line.reference : null,
    journal: (reference) =>
      journal.append({ type: 'reference', generation: folder.generation.counter, atMs: timeOfDayMs(), reference }),
    warn: (text) => reporter.say('warn', text),
  });
}

/**
 * Sees that the weights of the best evaluation are there. Those of the step at which the run stands are the replica's; a
 * file of a later step is of an evaluation that is made again.
 *
 * @throws UserError (65) where they are not, and nothing is forced
 */
export async function expectBest(
  { folder, replica, account, standing }: FoundRun,
  spec: StudentSpec,
  { reporter, force }: GoingOn,
): Promise<void> {
  const { best } = account;
  if (best === undefined) return;
  const found = await readBestContent(folder);
  if (found !== null && (found.step === null || found.step >= best.step)) return;
  if (best.step === standing.step) {
    reporter.say(
      'warn',
      `${nameIn(folder)} is missing or damaged; it is written anew, since the run stands at its step`,
    );
    return writeBest(folder, replica.readWeights(), best.step);
  }
  await bestStudent(folder, best.step, spec, { force, warn: (line) => reporter.say('warn', line) });
}

function nameIn({ path }: Pick<RunFolder, 'path'>): string {
  return `${path}: snapshots/best.weights`;
}
