/**
 * `stillhouse verify RUN`: reads a run folder, finished, stopped or at work, and checks its accounts against each
 * other. It changes nothing. A torn tail of log or journal is what a crash leaves, and is said; all else that does not
 * fit is a failure.
 */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { UserError } from '../../shared/errors.js';
import { decodeSafetensors } from '../../shared/models/safetensors.js';
import { recipeSchema, type Recipe } from '../../shared/recipe/schema.js';
import { weightsAt } from '../../shared/recipe/schedules.js';
import { figuresByTask } from '../../shared/figures/tasks.js';
import { taskOf, type Task } from '../../shared/task.js';
import { Account } from '../reports/totals.js';
import { afterRewinds, readJournal, type JournalLine } from '../store/journal.js';
import { readLog } from '../store/log.js';
import { summarySchema, weightsDigest, type Summary } from '../reports/summary.js';
import { Snapshots } from '../store/snapshots.js';
import { parseStored } from '../store/durable-files.js';
import { batchOf } from '../plan/units-of.js';
import { planUnits, type UnitPlan } from '../plan/units.js';
import {
  checkCoverage,
  checkJournal,
  checkLog,
  checkMetrics,
  checkReport,
  checkSnapshots,
  type Check,
} from './checks.js';

export interface Verified {
  readonly isSound: boolean;
  readonly checks: readonly Check[];
  /** What a crash left, and the next start mends. */
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

async function readSnapshots(folder: string): Promise<Parameters<typeof checkSnapshots>[0]> {
  if ((await readdir(folder).catch(() => [])).length === 0) return { whole: [], damaged: [] };
  const { all, unusable } = await Snapshots.open(folder, Infinity);
  const isWhole = await Promise.all(
    all.map(async (snapshot) => (await digestOf(snapshot.path).catch(() => null)) === snapshot.sha256),
  );
  const damaged = [...unusable, ...all.filter((_, i) => isWhole[i] === false).map(({ path }) => path)];
  // A run at work deletes old ones meanwhile.
  return {
    whole: all.filter((_, i) => isWhole[i]),
    damaged: damaged.filter((path) => existsSync(path)).map((path) => basename(path)),
  };
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path, { highWaterMark: 4 << 20 }) as AsyncIterable<Buffer>)
    hash.update(piece);
  return hash.digest('hex');
}

/** metrics.jsonl, summary.json and the students that were written, against the journal. */
async function checkReports(path: string, recipe: Recipe, lines: readonly JournalLine[]): Promise<Check[]> {
  const units = unitsOfJournal(recipe, lines);
  const task = taskOf(recipe);
  const account = new Account({
    task,
    weightsAt: (step) => weightsAt(recipe.losses, step, units.totalSteps),
    closesEpoch: (unit) => units.closesEpoch(unit),
    patience: recipe.evaluate.earlyStop?.patience,
  });
  const metrics = lines.flatMap((line) => account.add(line) ?? []);
  const metricsFile = join(path, 'metrics.jsonl');
  // What follows the last end of a line was never finished, and the next start writes the file anew.
  const finished = (await readFile(metricsFile, 'utf8').catch(() => '')).split('\n').slice(0, -1);
  const written = parseStored(metricsFile, z.array(z.unknown()), () =>
    finished.map((line) => JSON.parse(line) as unknown),
  );
  const summary = await readSummaryIfThere(path);
  return [
    checkMetrics(written, JSON.parse(JSON.stringify(metrics)) as unknown[], summary !== null),
    ...(summary === null
      ? []
      : [checkReport('summary', pick(summary), derive(task, account)), ...(await checkStudents(path, summary))]),
  ];
}

async function readRecipe(file: string): Promise<Recipe> {
  const text = await readFile(file, 'utf8');
  return parseStored(file, recipeSchema.loose(), () => withoutDigests(parse(text)));
}

/** Whether a term counts each of its samples once: neither by weights nor by positions. */
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

/** The plan, its sizes taken from what was committed: nothing else in the folder tells them. */
function unitsOfJournal(recipe: Recipe, lines: readonly JournalLine[]): UnitPlan {
  const commits = lines.filter((line) => line.type === 'commit');
  const trainSamples = Math.max(1, ...commits.filter(({ epoch }) => epoch === 0).map(({ to }) => to));
  const evaluations = lines.filter((line) => line.type === 'evaluation');
  return planUnits({
    trainSamples,
    evalSamples: evaluations[0]?.samples ?? 0,
    hasTeachers: evaluations.some(({ subject }) => subject === 'teachers'),
    batch: batchOf(recipe),
    epochs: recipe.epochs,
    steps: recipe.steps,
    everyEpochs: recipe.evaluate.everyEpochs,
  });
}

async function readSummaryIfThere(path: string): Promise<Summary | null> {
  const file = join(path, 'summary.json');
  const text = await readFile(file, 'utf8').catch(() => null);
  return text === null ? null : parseStored(file, summarySchema, () => JSON.parse(text));
}

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

function pick({ steps, samples, seconds, student, best, dropped }: Summary): Record<string, unknown> {
  const { parameters: _, ...evaluation } = student;
  return { steps, samples, seconds, ...evaluation, bestStep: best?.step, dropped };
}

async function checkStudents(path: string, { digest, digests = {} }: Summary): Promise<Check[]> {
  return Promise.all(
    Object.entries({ student: digest, ...digests }).map(([folder, wanted]) => checkStudent(path, folder, wanted)),
  );
}

async function checkStudent(path: string, folder: string, wanted: string): Promise<Check> {
  const file = join(path, folder, 'student.safetensors');
  const tensors = decodeSafetensors(await readFile(file), file);
  return checkReport(folder, weightsDigest(new Map([...tensors].map(([name, { values }]) => [name, values]))), wanted);
}
