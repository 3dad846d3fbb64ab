/** The runs in the folder around a run's own, for comparison: what their summaries and metrics say. It only reads. */
import { constants, open, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { figuresSchema, mainFigure } from '../../shared/figures/figures.js';
import { parseJson } from '../../shared/json.js';
import { summarySchema } from '../reports/summary.js';
import type { PastRun } from './browser/messages.js';

/** Runs that are told of at most: the newest. */
const mostRuns = 50;
/** Epochs of each run at most; of more, evenly chosen ones with the last. */
const mostEpochs = 200;
/** No more is read of a file. */
const mostBytes = 4 * 1024 * 1024;

const epochSchema = z.object({ step: z.number(), loss: z.number(), eval: z.object(figuresSchema).optional() });

/**
 * What cannot be read is no run: the folder around may hold anybody's files.
 *
 * @param parent the folder of runs; of each run in it, its baseline is a run too
 */
export async function pastRuns(parent: string): Promise<PastRun[]> {
  const names = (await orNull(readdir(parent))) ?? [];
  const found: Pick<PastRun, 'folder' | 'modifiedMs'>[] = [];
  for (const folder of names.flatMap((name) => [name, join(name, 'baseline')])) {
    const journal = await orNull(stat(join(parent, folder, 'journal.jsonl')));
    if (journal?.isFile() === true) found.push({ folder, modifiedMs: journal.mtimeMs });
  }
  const newest = found.sort((a, b) => b.modifiedMs - a.modifiedMs).slice(0, mostRuns);
  const runs: PastRun[] = [];
  for (const one of newest) runs.push(await runIn(join(parent, one.folder), one));
  return runs;
}

async function runIn(path: string, known: Pick<PastRun, 'folder' | 'modifiedMs'>): Promise<PastRun> {
  const summary = summarySchema.safeParse(parseJson(await headOf(join(path, 'summary.json')))).data ?? null;
  const epochs = epochsIn(await headOf(join(path, 'metrics.jsonl')));
  const last = epochs.findLast(({ value }) => value !== null);
  return {
    ...known,
    name: summary?.name ?? basename(path),
    isDone: summary !== null,
    steps: summary?.steps ?? epochs.at(-1)?.step ?? 0,
    value: (summary === null ? undefined : mainFigure(summary.student)?.value) ?? last?.value ?? null,
    digest: summary?.digest ?? null,
    epochs: thinned(epochs, mostEpochs),
  };
}

function epochsIn(bytes: Buffer): PastRun['epochs'] {
  const lines = bytes.toString('utf8').split('\n');
  return lines.flatMap((line) => {
    const read = epochSchema.safeParse(parseJson(Buffer.from(line)));
    if (!read.success) return [];
    const { step, loss, eval: evaluation = {} } = read.data;
    return [{ step, loss, value: mainFigure(evaluation)?.value ?? null }];
  });
}

/** The first and the last of them, and evenly chosen ones between. */
export function thinned<T>(all: readonly T[], most: number): T[] {
  if (all.length <= most) return [...all];
  return Array.from({ length: most }, (_, i) => all[Math.round((i * (all.length - 1)) / (most - 1))] as T);
}

/** The beginning of a file; nothing where there is none that could be read. A pipe of that name is not waited for. */
async function headOf(path: string): Promise<Buffer> {
  const file = await orNull(open(path, constants.O_RDONLY | constants.O_NONBLOCK));
  try {
    const found = await file?.stat();
    if (file === null || found?.isFile() !== true) return Buffer.alloc(0);
    const read = await orNull(file.read(Buffer.alloc(Math.min(found.size, mostBytes)), 0));
    return read === null ? Buffer.alloc(0) : read.buffer.subarray(0, read.bytesRead);
  } finally {
    await file?.close();
  }
}

function orNull<T>(access: Promise<T>): Promise<T | null> {
  return access.catch(() => null);
}
