/** How a run stands by its folder alone: what its journal and its summary say. It reads, and changes nothing. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { termMeans } from '../../shared/figures/training-sums.js';
import { UserError } from '../../shared/errors.js';
import { ifReachable } from '../../shared/files.js';
import { parseJson } from '../../shared/json.js';
import { journalLineIn } from '../store/journal-chain.js';
import { afterRewinds } from '../store/journal.js';
import { SampleRate } from '../reports/sample-rate.js';
import { summarySchema } from '../reports/summary.js';

export interface FolderStatus {
  readonly folder: string;
  readonly state: 'done' | 'unfinished';
  /** Coordinators that have worked on it. */
  readonly generation: number;
  /** Steps that are journalled. */
  readonly step: number;
  /** Counted from 0; null before the first step. */
  readonly epoch: number | null;
  readonly samples: number;
  /** As it was at the newest step; 0 where it was never known. */
  readonly samplesPerSecond: number;
  readonly terms: Readonly<Record<string, number>>;
  /** When the journal's newest line was written, in milliseconds since 1970; null for an empty one. */
  readonly newestMs: number | null;
  /** SHA-256 of the student's weights, once they are written. */
  readonly digest: string | null;
}

/** @throws UserError 2 where the folder holds no run */
export async function folderStatus(folder: string): Promise<FolderStatus> {
  const text = await ifReachable(readFile(join(folder, 'journal.jsonl'), 'utf8'));
  if (text === null)
    throw new UserError(`${folder}: holds no journal.jsonl; a coordinator's address or a run folder was wanted`);
  const summary = summarySchema.safeParse(
    parseJson((await ifReachable(readFile(join(folder, 'summary.json')))) ?? Buffer.alloc(0)),
  );
  const lines = afterRewinds(text.split('\n').flatMap((line) => journalLineIn(line) ?? []));
  const commits = lines.filter((line) => line.type === 'commit');
  const rate = new SampleRate();
  let [samples, samplesPerSecond] = [0, 0];
  for (const line of commits) {
    samples += line.samples;
    samplesPerSecond = rate.update(line.atMs, samples);
  }
  const newest = commits.at(-1);
  return {
    folder,
    state: summary.success ? 'done' : 'unfinished',
    generation: lines.reduce((most, line) => Math.max(most, line.generation), 0),
    step: commits.length,
    epoch: newest?.epoch ?? null,
    samples,
    samplesPerSecond,
    terms: newest === undefined ? {} : termMeans(newest),
    newestMs: lines.at(-1)?.atMs ?? null,
    digest: summary.success ? summary.data.digest : null,
  };
}
