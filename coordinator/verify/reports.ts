/** Whether a run's reports say what its journal gives: metrics.jsonl, summary.json and the students that were written. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ifReachable } from '../../shared/files.js';
import { figuresByTask } from '../../shared/figures/tasks.js';
import { decodeSafetensors } from '../../shared/models/safetensors.js';
import { weightsAt } from '../../shared/recipe/schedules.js';
import type { Recipe } from '../../shared/recipe/schema.js';
import { taskOf, type Task } from '../../shared/task.js';
import { planUnits, type UnitPlan } from '../plan/units.js';
import { batchOf } from '../plan/units-of.js';
import { weightsDigest, type Summary } from '../reports/summary.js';
import { Account } from '../reports/totals.js';
import type { CommitLine, JournalLine } from '../store/journal.js';
import { checkMetrics, checkReport, metricsLines, type CheckResult } from './checks.js';

/** What the reports are compared with. */
export interface ReportSource {
  readonly recipe: Recipe;
  /** The journal's lines that count. */
  readonly lines: readonly JournalLine[];
  readonly summary: Summary | null;
}

/** The account that the journal gives, and the metrics of the epochs that it closes. */
export function accountOf(
  recipe: Recipe,
  lines: readonly JournalLine[],
): { readonly account: Account; readonly metrics: readonly unknown[] } {
  const units = unitsOfJournal(recipe, lines);
  const account = new Account({
    task: taskOf(recipe),
    weightsAt: (step) => weightsAt(recipe.losses, step, units.totalSteps),
    closesEpoch: (unit) => units.closesEpoch(unit),
    patience: recipe.evaluate.earlyStop?.patience,
  });
  const metrics = lines.flatMap((line) => account.add(line) ?? []);
  return { account, metrics: JSON.parse(JSON.stringify(metrics)) as unknown[] };
}

export async function checkReports(path: string, { recipe, lines, summary }: ReportSource): Promise<CheckResult[]> {
  const { account, metrics } = accountOf(recipe, lines);
  const text = await ifReachable(readFile(join(path, 'metrics.jsonl'), 'utf8'));
  const results = lines.findLast(({ type }) => type === 'results');
  if (summary === null) {
    const isGone =
      results === undefined ? [] : [missing('summary', 'summary.json is missing, though the results are written')];
    return [checkMetrics(metricsLines(text), metrics, false), ...isGone];
  }
  return [
    checkMetrics(metricsLines(text), metrics, true),
    checkReport('summary', pick(summary), derive(taskOf(recipe), account, summary.details?.confusion.length ?? 0)),
    ...(await checkStudents(path, summary)),
  ];
}

const missing = (name: string, text: string): CheckResult => ({ name, isSound: false, text });

/** The run's plan, with the sizes of the data taken from what was committed, since the folder has them nowhere else. */
function unitsOfJournal(recipe: Recipe, lines: readonly JournalLine[]): UnitPlan {
  const evaluations = lines.filter((line) => line.type === 'evaluation');
  return planUnits({
    trainSamples: lines.reduce((most, line) => (isOfFirstEpoch(line) ? Math.max(most, line.to) : most), 1),
    // A run without an evaluation has planned none.
    evalSamples: evaluations[0]?.samples ?? 0,
    hasTeachers: evaluations.some(({ subject }) => subject === 'teachers'),
    batch: batchOf(recipe),
    epochs: recipe.epochs,
    steps: recipe.steps,
    everyEpochs: recipe.evaluate.everyEpochs,
  });
}

function isOfFirstEpoch(line: JournalLine): line is CommitLine {
  return line.type === 'commit' && line.epoch === 0;
}

/** What a summary must say of the run, by its account. */
function derive(task: Task, account: Account, classes: number): Record<string, unknown> {
  return {
    steps: account.steps,
    samples: account.samples,
    seconds: account.milliseconds / 1000,
    ...(account.student === undefined ? {} : figuresByTask[task].studentFigures(account.student.sums)),
    bestStep: account.best?.step,
    // A summary of an earlier version has none.
    details: classes === 0 ? undefined : figuresByTask[task].details(account.student?.sums ?? {}, classes),
    dropped: account.dropped.size === 0 ? undefined : [...account.dropped].map(([name, step]) => ({ name, step })),
  };
}

/** What a summary does say of the same. */
function pick({ steps, samples, seconds, student, best, dropped, details }: Summary): Record<string, unknown> {
  const { parameters: _, ...evaluation } = student;
  return { steps, samples, seconds, ...evaluation, bestStep: best?.step, details, dropped };
}

async function checkStudents(path: string, { digest, digests = {} }: Summary): Promise<CheckResult[]> {
  return Promise.all(
    Object.entries({ student: digest, ...digests }).map(([folder, wanted]) => checkStudent(path, folder, wanted)),
  );
}

async function checkStudent(path: string, folder: string, wanted: string): Promise<CheckResult> {
  const file = join(path, folder, 'student.safetensors');
  const tensors = decodeSafetensors(await readFile(file), file);
  return checkReport(folder, weightsDigest(new Map([...tensors].map(([name, { values }]) => [name, values]))), wanted);
}
