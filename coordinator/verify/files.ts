/** Whether the files of a run folder are those that the run wrote there, by the digests that it keeps of them. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ifReachable } from '../../shared/files.js';
import { sumsFile, wrongFiles } from '../../shared/models/sums-file.js';
import type { Recipe } from '../../shared/recipe/schema.js';
import type { Summary } from '../reports/summary.js';
import { readBestContent } from '../store/best-weights.js';
import { digestOf } from '../store/contents.js';
import type { JournalLine } from '../store/journal.js';
import type { ReadJournal } from '../store/journal-chain.js';
import { sealedText } from '../store/seal.js';
import type { CheckResult } from './checks.js';
import { accountOf } from './reports.js';

const sound = (name: string, text: string): CheckResult => ({ name, isSound: true, text });
const broken = (name: string, text: string): CheckResult => ({ name, isSound: false, text });

/** probe.json has the reference that the journal has. @param run the run's id; null where nothing tells it */
export async function checkProbe(
  path: string,
  run: string | null,
  lines: readonly JournalLine[],
): Promise<CheckResult> {
  const name = 'probe';
  const line = lines.findLast(({ type }) => type === 'reference');
  if (line?.type !== 'reference') return sound(name, 'the journal has no reference');
  const text = await ifReachable(readFile(join(path, 'probe.json'), 'utf8'));
  if (text === null) return broken(name, 'probe.json is missing; the journal has its reference');
  return run !== null && text === sealedText(line.reference, run)
    ? sound(name, 'as the journal has it')
    : broken(name, 'probe.json is not what the journal has');
}

/** The weights of the best evaluation are whole, and of that evaluation; a kill may leave those of the one after it. */
export async function checkBest(
  path: string,
  { run, recipe, lines }: { run: string | null; recipe: Recipe | null; lines: readonly JournalLine[] },
): Promise<CheckResult> {
  const name = 'best';
  const best = recipe === null ? undefined : accountOf(recipe, lines).account.best;
  if (best === undefined) return sound(name, 'no evaluation tells which weights are the best');
  const found = await readBestContent({ path, run: run ?? '' });
  if (found === null) return broken(name, 'snapshots/best.weights is missing or damaged');
  if (found.step === null)
    return isChained(lines)
      ? broken(name, 'snapshots/best.weights has no digest')
      : sound(name, 'of an earlier version');
  return found.step >= best.step
    ? sound(name, `of step ${found.step}`)
    : broken(name, `snapshots/best.weights is of step ${found.step}; the best evaluation is of step ${best.step}`);
}

/** A run of this version says in its journal that it has a reference. */
function isChained(lines: readonly JournalLine[]): boolean {
  return lines.some(({ type }) => type === 'reference');
}

/** The files of a finished run have the digests of its summary, and its journal ends as the summary says. */
export async function checkFiles(
  path: string,
  { summary, read, run }: { summary: Summary | null; read: ReadJournal; run: string | null },
): Promise<CheckResult[]> {
  if (summary?.files === undefined) return [];
  const name = 'files';
  if (summary.run !== run)
    return [broken(name, `the summary is of run ${summary.run}, the folder of ${run ?? 'none'}`)];
  if (summary.journal !== read.head) return [broken('journal', 'it does not end as the summary says')];
  const wrong: string[] = [];
  for (const [file, sha256] of Object.entries(summary.files)) {
    const found = await digestOf(join(path, file));
    if (found !== sha256) wrong.push(`${file} is ${found === null ? 'missing' : 'damaged'}`);
  }
  const count = Object.keys(summary.files).length;
  return [wrong.length > 0 ? broken(name, wrong.join('; ')) : sound(name, `${count}, each with its digest`)];
}

/** What was exported into the run's folder has the digests that were written beside it. */
export async function checkExport(path: string): Promise<CheckResult> {
  const folder = join(path, 'export');
  const names = (await ifReachable(readdir(folder))) ?? [];
  if (names.length === 0) return sound('export', 'none in the folder');
  const wrong = await wrongFiles(folder);
  if (wrong === null) return broken('export', `${sumsFile} is missing`);
  return wrong.length > 0 ? broken('export', wrong.join('; ')) : sound('export', 'each file with its digest');
}
