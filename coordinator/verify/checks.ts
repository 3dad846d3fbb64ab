/**
 * What must hold of a run's own records, whatever died while they were written. Each check takes what was read and says
 * in a line what it found. Pure.
 */
import { counted } from '../../shared/counted.js';
import { jsonOf, parseJson } from '../../shared/json.js';
import { isDeepStrictEqual } from 'node:util';
import { samplesIn } from '../../shared/figures/sum-names.js';
import type { Recipe } from '../../shared/recipe/schema.js';
import type { Generation } from '../store/generations.js';
import type { CommitLine, JournalLine } from '../store/journal.js';
import type { CommitRecord } from '../store/commit-record.js';
import { snapshotFault, type SnapshotHeader } from '../store/snapshots.js';

export interface CheckResult {
  readonly name: string;
  readonly isSound: boolean;
  readonly text: string;
}

const sound = (name: string, text: string): CheckResult => ({ name, isSound: true, text });
const broken = (name: string, text: string): CheckResult => ({ name, isSound: false, text });

/** Whether a loss term counts each of its samples once: neither by weights nor by positions. */
export function countsSamples({ data }: Recipe): boolean {
  return (
    data.task !== 'sequence' &&
    [data.train, data.unlabelled].every(
      (source) => source === undefined || !('weights' in source) || source.weights === undefined,
    )
  );
}

/**
 * Each unit is in the journal once and in order, with as many samples as were contributed.
 * @param lines those that count, after rewinds
 * @param countsSamples whether a loss term counts each of its samples once: neither by weights nor by positions
 * @param faults what was not as it was written, and is put back by the next start
 */
export function checkJournal(
  lines: readonly JournalLine[],
  countsSamples = true,
  faults: readonly string[] = [],
): CheckResult {
  const name = 'journal';
  if (faults.length > 0) return broken(name, `${faults.join('; ')}; the next start mends it`);
  let [step, unit] = [0, -1];
  let dropped: readonly string[] = [];
  for (const line of lines) {
    if (line.type !== 'commit' && line.type !== 'evaluation') continue;
    const where = `the ${line.type} of unit ${line.unit}`;
    if (line.unit !== unit + 1) return broken(name, `${where} follows unit ${unit}`);
    if (line.step !== step) return broken(name, `${where} is of step ${line.step}; step ${step} was due`);
    const bad =
      line.type === 'commit'
        ? badCommit(line, countsSamples)
        : Object.entries(line.sums).find(([, value]) => !Number.isFinite(value))?.[0];
    if (bad !== undefined) return broken(name, `${where}: ${bad}`);
    const back = dropped.find((teacher) => line.dropped?.includes(teacher) !== true);
    if (back !== undefined) return broken(name, `${where}: teacher ${back} is back, which was dropped before`);
    dropped = line.dropped ?? [];
    unit = line.unit;
    if (line.type === 'commit') step++;
  }
  const count = (type: JournalLine['type']): number => lines.filter((line) => line.type === type).length;
  return sound(
    name,
    `${counted(step, 'commit')}, ${counted(count('evaluation'), 'evaluation')}, ${counted(count('generation'), 'generation')}, each unit once and in order`,
  );
}

function badCommit(line: CommitLine, countsSamples: boolean): string | undefined {
  if (line.samples !== line.to - line.from) return `${counted(line.samples, 'sample')} in [${line.from}, ${line.to})`;
  const over = countsSamples ? Object.entries(line.counts).find(([, count]) => count > line.samples) : undefined;
  if (over !== undefined) return `${over[0]} counts ${over[1]} of ${counted(line.samples, 'sample')}`;
  if (line.skip !== undefined) return undefined;
  const contributed = samplesIn(line.sums);
  return contributed === line.samples
    ? undefined
    : `contributions of ${counted(contributed, 'sample')} in a commit of ${line.samples}`;
}

/**
 * Each sample of each epoch is in exactly one commit: ranges touch, and all epochs but the last end at the same sample.
 */
export function checkCoverage(lines: readonly JournalLine[]): CheckResult {
  const name = 'coverage';
  const ends: number[] = [];
  let [epoch, at] = [0, 0];
  for (const line of lines.filter((one) => one.type === 'commit')) {
    if (line.epoch === epoch + 1) {
      ends.push(at);
      [epoch, at] = [line.epoch, 0];
    }
    if (line.epoch !== epoch) return broken(name, `step ${line.step} is of epoch ${line.epoch}, after epoch ${epoch}`);
    if (line.from !== at)
      return broken(name, `step ${line.step} covers [${line.from}, ${line.to}) of epoch ${epoch}; ${at} was due`);
    at = line.to;
  }
  const size = ends[0] ?? at;
  const odd = ends.findIndex((end) => end !== size);
  if (odd >= 0 || at > size)
    return broken(
      name,
      `epoch ${odd >= 0 ? odd : epoch} has ${odd >= 0 ? ends[odd] : at} samples, epoch 0 has ${size}`,
    );
  return sound(name, `${ends.length} whole epochs of ${size} samples, each in one commit; ${at} of epoch ${epoch}`);
}

/** Every start that the journal has is a generation. @param lines all of them */
export function checkGenerations(generations: readonly Generation[], lines: readonly JournalLine[]): CheckResult {
  const name = 'generations';
  const newest = generations.length;
  const last = lines.reduce((most, { generation }) => Math.max(most, generation), 0);
  return last > newest
    ? broken(name, `generations/${newest + 1} is missing; the journal has generation ${last}`)
    : sound(name, `${newest}, one after the other`);
}

/**
 * The commits that the log holds are the journal's, and reach from the newest snapshot to its end. The journal may be a
 * line short of the log, which the next start completes.
 *
 * @param newest the step of the newest sound snapshot
 * @param chains those of the journal's lines
 * @param isKept whether the recipe has commits kept in the log
 */
export function checkLog(
  records: readonly CommitRecord[],
  lines: readonly JournalLine[],
  { newest, chains, isKept }: { readonly newest: number; readonly chains: readonly string[]; readonly isKept: boolean },
): CheckResult {
  const name = 'log';
  if (!isKept && records.length === 0) return sound(name, 'empty: log.gradients is false');
  const commits = new Map(lines.flatMap((line) => (line.type === 'commit' ? [[line.step, line] as const] : [])));
  const last = Math.max(-1, ...commits.keys());
  const known = new Set(chains);
  for (const [i, { step, line, stateHash, before: chain }] of records.entries()) {
    const before = records[i - 1];
    if (before !== undefined && step !== before.step + 1)
      return broken(name, `step ${step} follows step ${before.step}`);
    if (line.type !== 'commit' || line.digest !== stateHash)
      return broken(
        name,
        `step ${step}: its state is ${stateHash}, its line's ${line.type === 'commit' ? line.digest : 'none'}`,
      );
    const journalled = commits.get(step);
    if (journalled === undefined ? step <= last : !isDeepStrictEqual(journalled, line))
      return broken(name, `step ${step}: the journal's line is another`);
    if (chain !== undefined && !known.has(chain)) return broken(name, `step ${step} follows no line of the journal`);
  }
  const [first, end] = [records[0]?.step, records.at(-1)?.step];
  if (first !== undefined && end !== undefined && end < last - 1)
    return broken(name, `it ends with step ${end}; the journal with ${last}`);
  if (last > newest && (first === undefined || first > newest))
    return broken(
      name,
      `it lacks steps ${newest} to ${first === undefined ? last : first - 1}, after the newest snapshot`,
    );
  return sound(
    name,
    first === undefined
      ? 'empty'
      : `steps ${first} to ${end}, ${encodingsOf(records)}, every byte as its checksum says, every line the journal's`,
  );
}

/** Compressions in the order in which they came up: a run may have gone on with another one. */
function encodingsOf(records: readonly CommitRecord[]): string {
  const rounded = [...new Set(records.map(({ compression }) => compression))].map((compression) =>
    compression === 'none' ? 'float32' : compression,
  );
  return `gradients in ${rounded.join(', then ')}`;
}

/**
 * Every snapshot is whole, and the state that it holds is the one that its step's commit left.
 * @param damaged names of the files that are not whole
 */
export function checkSnapshots(
  { whole, damaged }: { readonly whole: readonly SnapshotHeader[]; readonly damaged: readonly string[] },
  lines: readonly JournalLine[],
  chains: readonly string[],
): CheckResult {
  const name = 'snapshots';
  const known = new Set(chains);
  if (damaged.length > 0) return broken(name, `${damaged.join(', ')} is damaged`);
  for (const header of whole) {
    const fault = snapshotFault(header, lines);
    if (fault !== null) return broken(name, `the one at step ${header.step}: ${fault}`);
    if (header.step > 0 && header.journal !== undefined && !known.has(header.journal))
      return broken(name, `the one at step ${header.step} follows no line of the journal`);
  }
  return sound(name, `${whole.length}, at step ${whole.map(({ step }) => step).join(', ')}`);
}

/** What the whole lines of metrics.jsonl say; null for a line that says nothing. @param text null where there is no file */
export function metricsLines(text: string | null): readonly unknown[] {
  // What follows the last end of a line was never finished, and the next start writes the file anew.
  const finished = (text ?? '').split('\n').slice(0, -1);
  return finished.map((line) => parseJson(Buffer.from(line)) ?? null);
}

/**
 * The lines of metrics.jsonl are those that the journal gives. While a run is not finished its newest line may be
 * missing, since it is written after the journal's.
 */
export function checkMetrics(
  written: readonly unknown[],
  derived: readonly unknown[],
  isFinished: boolean,
): CheckResult {
  const name = 'metrics';
  const odd = written.findIndex((line, i) => !isDeepStrictEqual(line, derived[i]));
  if (odd >= 0) return broken(name, `epoch ${odd}: ${firstDifference(written[odd], derived[odd])}`);
  if (written.length < derived.length - (isFinished ? 0 : 1))
    return broken(name, `${counted(written.length, 'epoch')}; the journal gives ${derived.length}`);
  return sound(name, `${counted(written.length, 'epoch')}, as the journal gives them`);
}

/** A file says of the run what the journal gives. */
export function checkReport(name: string, written: unknown, derived: unknown): CheckResult {
  if (isDeepStrictEqual(written, derived)) return sound(name, 'as the journal gives it');
  return broken(name, firstDifference(written, derived));
}

function firstDifference(written: unknown, derived: unknown, path = ''): string {
  if (isRecord(written) && isRecord(derived)) {
    for (const key of new Set([...Object.keys(derived), ...Object.keys(written)])) {
      if (!isDeepStrictEqual(written[key], derived[key]))
        return firstDifference(written[key], derived[key], path === '' ? key : `${path}.${key}`);
    }
  }
  return `${path || 'it'} is ${jsonOf(written) ?? 'missing'}; the journal gives ${jsonOf(derived) ?? 'nothing'}`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
