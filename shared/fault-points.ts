/**
 * Where a test may do this process harm: STILLHOUSE_FAULT=POINT or POINT@N kills it with SIGKILL when it passes the
 * point for the Nth time (in that thread), after saying so on stderr. Two points do not kill: `flip` changes a
 * replica's state when a commit has been applied, `slow-disk` makes each write to the disk take a second more; POINT@N+
 * stands for the Nth time and every later one. Not set, a point costs one comparison.
 */
import { writeSync } from 'node:fs';

/** The phases of a step at which something can die; each of them lies in the coordinator and in the worker. */
export const faultPoints = [
  'idle',
  'leased',
  'computing',
  'first-chunk',
  'all-chunks',
  'before-fsync',
  'after-fsync',
  'partial-release',
  'before-acknowledgement',
  'snapshot',
] as const;
export type FaultPoint = (typeof faultPoints)[number];
/** Points of the coordinator alone: the summary is on the disk, and the workers have not been told. */
const ownPoints = ['results'] as const;
type OwnPoint = (typeof ownPoints)[number];
const harms = ['flip', 'slow-disk'] as const;
type Harm = (typeof harms)[number];

const wanted = parse(process.env.STILLHOUSE_FAULT);

export function faultPoint(point: FaultPoint | OwnPoint): void {
  if (isDue(point)) process.kill(process.pid, 'SIGKILL');
}

/** Whether the harm is to be done now. */
export function isDue(point: FaultPoint | OwnPoint | Harm): boolean {
  if (wanted?.point !== point) return false;
  wanted.left--;
  if (wanted.left > 0 || (wanted.left < 0 && !wanted.isLasting)) return false;
  writeSync(2, `fault: ${point}\n`);
  return true;
}

const slowDiskMs = 1000;

/** To be waited for before a write counts as done. */
export async function slowDisk(): Promise<void> {
  if (isDue('slow-disk')) await new Promise((resolve) => setTimeout(resolve, slowDiskMs));
}

/** @throws Error for a point that does not exist: a fault test must not pass because nothing happened */
function parse(
  text: string | undefined,
): { point: FaultPoint | OwnPoint | Harm; left: number; readonly isLasting: boolean } | null {
  if (text === undefined || text === '') return null;
  const [name, times = '1'] = text.split('@');
  const point = [...faultPoints, ...ownPoints, ...harms].find((one) => one === name);
  const [, count] = /^([1-9]\d*)\+?$/.exec(times) ?? [];
  if (point === undefined || count === undefined)
    throw new Error(
      `STILLHOUSE_FAULT=${text}: POINT, POINT@N or POINT@N+ was wanted, with one of ${[...faultPoints, ...ownPoints, ...harms].join(', ')}`,
    );
  return { point, left: Number(count), isLasting: times.endsWith('+') };
}
