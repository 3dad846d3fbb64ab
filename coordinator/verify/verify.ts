/**
 * `stillhouse verify RUN`: reads the folder of a run that is finished, stopped or at work, and checks its accounts
 * against each other. It changes nothing. A torn tail of log or journal is what a crash leaves, and is only noted; all
 * else that does not fit is a failure.
 */
import { counted } from '../../shared/counted.js';
import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parse } from 'yaml';
import { UserError } from '../../shared/errors.js';
import { ifReachable } from '../../shared/files.js';
import { recipeSchema, type Recipe } from '../../shared/recipe/schema.js';
import { sha256OfFile } from '../../shared/sha256.js';
import { summaryIn } from '../reports/finished-run.js';
import type { Summary } from '../reports/summary.js';
import { parseStored } from '../store/durable-files.js';
import { isWrittenRecipe, readGenerations, runIdIn, type Generation } from '../store/generations.js';
import { afterRewinds, type JournalLine } from '../store/journal.js';
import type { ReadJournal } from '../store/journal-chain.js';
import { readJournal } from '../store/journal-file.js';
import { loggedLines, readLog } from '../store/log.js';
import type { CommitRecord } from '../store/commit-record.js';
import { Snapshots, type SnapshotHeader } from '../store/snapshots.js';
import {
  checkCoverage,
  checkGenerations,
  checkJournal,
  checkLog,
  checkSnapshots,
  countsSamples,
  type CheckResult,
} from './checks.js';
import { checkBest, checkExport, checkFiles, checkProbe } from './files.js';
import { checkReports } from './reports.js';

export interface Verified {
  readonly isSound: boolean;
  readonly checks: readonly CheckResult[];
  /** In words, what a crash left and the next start mends. */
  readonly notes: readonly string[];
}

/** @throws UserError 2 when there is no run folder */
export async function verifyRun(path: string): Promise<Verified> {
  if ((await ifReachable(stat(join(path, 'journal.jsonl')))) === null && !(await hasGenerations(path)))
    throw new UserError(`${path}: no journal.jsonl there; the folder of a run was wanted`);
  const run = (await runIdIn(path)) ?? (await summaryIn(path).catch(() => null))?.run ?? null;
  const found: CheckResult[] = [];
  const notes: string[] = [];
  const log = await readLog(join(path, 'log'));
  const read = await tried('journal', found, () =>
    readJournal(join(path, 'journal.jsonl'), { run, logged: loggedLines(log.records) }),
  );
  const generations = await tried('generations', found, () => readGenerations(path));
  const recipe = await tried('recipe', found, () => readRecipe(path, generations ?? [], read?.lines ?? []));
  const summary = await tried('summary', found, () => summaryIn(path));
  if (log.damaged.length > 0)
    found.push({ name: 'log', isSound: false, text: `log/${log.damaged.join(', log/')} is damaged` });
  const all: Found = { path, run, log: log.records, read, generations, recipe, summary };
  for (const [name, check] of checksOf(all)) found.push(...((await tried(name, found, check)) ?? []));
  if (read !== null && read.tornBytes > 0)
    notes.push(`journal.jsonl ends with ${counted(read.tornBytes, 'byte')} of a line that was never finished`);
  notes.push(
    ...log.torn.map(
      ({ name, bytes }) => `log/${name} ends with ${counted(bytes, 'byte')} of a commit that was never released`,
    ),
  );
  return { isSound: found.every(({ isSound }) => isSound), checks: found, notes };
}

/** What was read of a run folder; null for what cannot be read, which is among the checks already, or is not there. */
interface Found {
  readonly path: string;
  readonly run: string | null;
  readonly log: readonly CommitRecord[];
  readonly read: ReadJournal | null;
  readonly generations: readonly Generation[] | null;
  readonly recipe: Recipe | null;
  readonly summary: Summary | null;
}

type Check = readonly [name: string, check: () => Promise<CheckResult[]>];

/** The checks that what was read allows. */
function checksOf({ path, run, log, read, generations, recipe, summary }: Found): Check[] {
  if (read === null) return [];
  const lines = afterRewinds(read.lines);
  const one = (name: string, check: () => Promise<CheckResult> | CheckResult): Check => [
    name,
    async () => [await check()],
  ];
  return [
    one('journal', () => checkJournal(lines, recipe === null || countsSamples(recipe), read.faults)),
    one('coverage', () => checkCoverage(lines)),
    ['log and snapshots', () => checkStates(path, { run, log, read, lines, recipe })],
    ...(generations === null ? [] : [one('generations', () => checkGenerations(generations, read.lines))]),
    one('probe', () => checkProbe(path, run, lines)),
    ...(recipe === null ? [] : [['reports', () => checkReports(path, { recipe, lines, summary })] as const]),
    one('best', () => checkBest(path, { run, recipe, lines })),
    ['files', () => checkFiles(path, { summary, read, run })],
    one('export', () => checkExport(path)),
    ['baseline', () => checkBaseline(path)],
  ];
}

/** The baseline has a run folder of its own. */
async function checkBaseline(path: string): Promise<CheckResult[]> {
  const baseline = join(path, 'baseline');
  if (!(await hasGenerations(baseline))) return [];
  return (await verifyRun(baseline)).checks.map((check) => ({ ...check, name: `baseline, ${check.name}` }));
}

async function checkStates(
  path: string,
  {
    run,
    log,
    read,
    lines,
    recipe,
  }: Pick<Found, 'run' | 'log' | 'recipe'> & { readonly read: ReadJournal; readonly lines: JournalLine[] },
): Promise<CheckResult[]> {
  const snapshots = await readSnapshots(join(path, 'snapshots'), run ?? '');
  const newest = snapshots.whole.at(-1)?.step ?? 0;
  const isKept = recipe?.log.gradients ?? true;
  return [checkLog(log, lines, { newest, chains: read.chains, isKept }), checkSnapshots(snapshots, lines, read.chains)];
}

async function hasGenerations(path: string): Promise<boolean> {
  return ((await ifReachable(readdir(join(path, 'generations')))) ?? []).length > 0;
}

/** What cannot be read is a check that has failed, whatever is wrong with it; the others are made all the same. */
async function tried<T>(name: string, found: CheckResult[], read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    found.push({ name, isSound: false, text: error instanceof Error ? error.message : String(error) });
    return null;
  }
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
  run: string,
): Promise<{ readonly whole: readonly SnapshotHeader[]; readonly damaged: readonly string[] }> {
  if (((await ifReachable(readdir(folder))) ?? []).length === 0) return { whole: [], damaged: [] };
  const { all, unusable } = await Snapshots.open(folder, run, Infinity);
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

/** The recipe that the run was last started with; null before it is written for the first time. */
async function readRecipe(
  path: string,
  generations: readonly Generation[],
  lines: readonly JournalLine[],
): Promise<Recipe | null> {
  const file = join(path, 'recipe.yaml');
  const text = await ifReachable(readFile(file, 'utf8'));
  if (text === null && !lines.some(({ type }) => type === 'commit')) return null;
  if (text === null) throw new Error('recipe.yaml is missing');
  if (!isWrittenRecipe(text, generations)) throw new Error('recipe.yaml is not what a coordinator wrote there');
  return parseStored(file, recipeSchema.loose(), () => withoutDigests(parse(text)));
}

function withoutDigests(recipe: unknown): unknown {
  if (typeof recipe !== 'object' || recipe === null) return recipe;
  return Object.fromEntries(Object.entries(recipe).filter(([key]) => key !== 'digests'));
}
