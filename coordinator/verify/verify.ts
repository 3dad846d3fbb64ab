/**
 * `stillhouse verify RUN`: reads the folder of a run that is finished, stopped or at work, and checks its accounts
 * against each other. It changes nothing. A torn tail of log or journal is what a crash leaves, and is only noted; all
 * else that does not fit is a failure.
 */
import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { UserError } from '../../shared/errors.js';
import { figuresByTask } from '../../shared/figures/tasks.js';
import { decodeSafetensors } from '../../shared/models/safetensors.js';
import { weightsAt } from '../../shared/recipe/schedules.js';
import { recipeSchema, type Recipe } from '../../shared/recipe/schema.js';
import { sha256OfFile } from '../../shared/sha256.js';
import { taskOf, type Task } from '../../shared/task.js';
import { planUnits, type UnitPlan } from '../plan/units.js';
import { batchOf } from '../plan/units-of.js';
import { summarySchema, weightsDigest, type Summary } from '../reports/summary.js';
import { Account } from '../reports/totals.js';
import { parseStored } from '../store/durable-files.js';
import { afterRewinds, readJournal, type CommitLine, type JournalLine } from '../store/journal.js';
import { readLog } from '../store/log.js';
import { Snapshots, type SnapshotHeader } from '../store/snapshots.js';
import {
  checkCoverage,
  checkJournal,
  checkLog,
  checkMetrics,
  checkReport,
  checkSnapshots,
  type CheckResult,
} from './checks.js';

export interface Verified {
  readonly isSound: boolean;
  readonly checks: readonly CheckResult[];
  /** In words, what a crash left and the next start mends. */
  readonly notes: readonly string[];
}

/** @throws UserError 2 when there is no run folder, 65 when a file of it cannot be read at all */
export async function verifyRun(path: string): Promise<Verified> {
  if ((await stat(join(path, 'journal.jsonl')).catch(() => null)) === null)
    throw new UserError(`${path}: no journal.jsonl there; the folder of a run was wanted`);
  const journal = await readJournal(join(path, 'journal.jsonl'));
  const lines = afterRewinds(journal.lines);
  const log = await readLog(join(path, 'log'));
  const recipe = await readRecipe(join(path, 'recipe.yaml'));
  const checks = [
    checkJournal(lines, countsSamples(recipe)),
    checkCoverage(lines),
    checkLog(log.records, lines),
    checkSnapshots(await readSnapshots(join(path, 'snapshots')), lines),
    ...(await checkReports(path, recipe, lines)),
  ];
  const notes = [
    ...(journal.tornBytes > 0
      ? [`journal.jsonl ends with ${journal.tornBytes} bytes of a line that was never finished`]
      : []),
    ...log.torn.map(({ name, bytes }) => `log/${name} ends with ${bytes} bytes of a commit that was never released`),
  ];
  return { isSound: checks.every(({ isSound }) => isSound), checks, notes };
}

/** A line for each check. */
export function verifiedText({ checks, notes, isSound }: Verified): string {
  return [
    ...checks.map((check) => `${check.isSound ? 'ok  ' : 'FAIL'} ${check.name}: ${check.text}`),
    ...notes.map((note) => `note ${note}`),
    isSound ? 'sound' : 'NOT SOUND',
  ].join('\n');
}

/** Snapshots whose file has the digest that its header says, and the names of the files that have another one. */
async function readSnapshots(
  folder: string,
): Promise<{ readonly whole: readonly SnapshotHeader[]; readonly damaged: readonly string[] }> {
  if ((await readdir(folder).catch(() => [])).length === 0) return { whole: [], damaged: [] };
  const { all, unusable } = await Snapshots.open(folder, Infinity);
  const whole: SnapshotHeader[] = [];
  const damaged = [...unusable];
  for (const snapshot of all) {
    const digest = await sha256OfFile(snapshot.path).catch(() => null);
    if (digest?.sha256 === snapshot.sha256) whole.push(snapshot);
    else damaged.push(snapshot.path);
  }
  // A run at work deletes old snapshots meanwhile.
  return { whole, damaged: damaged.filter((path) => existsSync(path)).map((path) => basename(path)) };
}

/** Checks metrics.jsonl, summary.json and the students that were written against the journal. */
async function checkReports(path: string, recipe: Recipe, lines: readonly JournalLine[]): Promise<CheckResult[]> {
  const units = unitsOfJournal(recipe, lines);
  const task = taskOf(recipe);
  const account = new Account({
    task,
    weightsAt: (step) => weightsAt(recipe.losses, step, units.totalSteps),
    closesEpoch: (unit) => units.closesEpoch(unit),
    patience: recipe.evaluate.earlyStop?.patience,
  });
  const metrics = lines.flatMap((line) => account.add(line) ?? []);
  const written = await readMetrics(join(path, 'metrics.jsonl'));
  const summary = await readSummaryIfThere(path);
  return [
    checkMetrics(written, JSON.parse(JSON.stringify(metrics)) as unknown[], summary !== null),
    ...(summary === null
      ? []
      : [checkReport('summary', pick(summary), derive(task, account)), ...(await checkStudents(path, summary))]),
  ];
}

/** The file's lines; none where there is no file. */
async function readMetrics(file: string): Promise<readonly unknown[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  // What follows the last end of a line was never finished, and the next start writes the file anew.
  const finished = text.split('\n').slice(0, -1);
  return parseStored(file, z.array(z.unknown()), () => finished.map((line) => JSON.parse(line) as unknown));
}

async function readRecipe(file: string): Promise<Recipe> {
  const text = await readFile(file, 'utf8');
  return parseStored(file, recipeSchema.loose(), () => withoutDigests(parse(text)));
}

/** Whether a loss term counts each of its samples once: neither by weights nor by positions. */
function countsSamples({ data }: Recipe): boolean {
  return (
    data.task !== 'sequence' &&
    [data.train, data.unlabelled].every(
      (source) => source === undefined || source.format === 'folder' || source.weights === undefined,
    )
  );
}

function withoutDigests(recipe: unknown): unknown {
  if (typeof recipe !== 'object' || recipe === null) return recipe;
  return Object.fromEntries(Object.entries(recipe).filter(([key]) => key !== 'digests'));
}

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

async function readSummaryIfThere(path: string): Promise<Summary | null> {
  const file = join(path, 'summary.json');
  const text = await readFile(file, 'utf8').catch(() => null);
  return text === null ? null : parseStored(file, summarySchema, () => JSON.parse(text));
}

/** What a summary must say of the run, by its account. */
function derive(task: Task, account: Account): Record<string, unknown> {
  return {
    steps: account.steps,
    samples: account.samples,
    seconds: account.milliseconds / 1000,
    ...(account.student === undefined ? {} : figuresByTask[task].studentFigures(account.student.sums)),
    bestStep: account.best?.step,
    dropped: account.dropped.size === 0 ? undefined : [...account.dropped].map(([name, step]) => ({ name, step })),
  };
}

/** What a summary does say of the same. */
function pick({ steps, samples, seconds, student, best, dropped }: Summary): Record<string, unknown> {
  const { parameters: _, ...evaluation } = student;
  return { steps, samples, seconds, ...evaluation, bestStep: best?.step, dropped };
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
