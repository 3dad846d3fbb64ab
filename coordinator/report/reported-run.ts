/** What a run's folder says for its report. It reads, and changes nothing. */
import { open, readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { z } from 'zod';
import { UserError } from '../../shared/errors.js';
import { figuresSchema } from '../../shared/figures/figures.js';
import { termMeans } from '../../shared/figures/training-sums.js';
import { ifReachable } from '../../shared/files.js';
import { parseJson } from '../../shared/json.js';
import { Curves, unread } from '../page/curves.js';
import { summarySchema, type Summary } from '../reports/summary.js';
import { journalLineIn } from '../store/journal-chain.js';
import { afterRewinds, type JournalLine } from '../store/journal.js';
import type { ReportedRun } from './report-page.js';

/** Points of each line of a picture at most. */
const buckets = 512;
const epochSchema = z.object({ step: z.number(), loss: z.number(), eval: z.object(figuresSchema).optional() });

/** A run that ends now, with the summary that its folder will hold. */
export async function endedRun(path: string, summary: Summary): Promise<ReportedRun> {
  return { ...(await readRun(path)), folder: basename(resolve(path)), summary };
}

/** @throws UserError 2 where the folder holds no run */
export async function readRun(folder: string): Promise<ReportedRun> {
  const terms = new Curves(buckets);
  for (const line of afterRewinds(await stepsOf(folder)))
    if (line.type === 'commit') terms.add(line.step, termMeans(line));
  const bytesOf = async (name: string): Promise<Buffer | null> => ifReachable(readFile(join(folder, name)));
  const metrics = (await bytesOf('metrics.jsonl'))?.toString('utf8').split('\n') ?? [];
  return {
    folder,
    summary: summarySchema.safeParse(parseJson((await bytesOf('summary.json')) ?? Buffer.alloc(0))).data ?? null,
    epochs: metrics.flatMap((line) => epochSchema.safeParse(parseJson(Buffer.from(line))).data ?? []),
    terms: terms.since(unread),
    recipe: (await bytesOf('recipe.yaml'))?.toString('utf8') ?? null,
  };
}

/** The journal's commits, and what may make them void. It may be longer than a text can be, so it is read by lines. */
async function stepsOf(folder: string): Promise<JournalLine[]> {
  const file = await ifReachable(open(join(folder, 'journal.jsonl')));
  if (file === null) throw new UserError(`${folder}: holds no journal.jsonl; a run folder was wanted`);
  const lines: JournalLine[] = [];
  // The file is closed at its end.
  for await (const text of file.readLines()) {
    const line = journalLineIn(text);
    if (line?.type === 'commit' || line?.type === 'generation' || line?.type === 'rewind') lines.push(line);
  }
  return lines;
}
