/**
 * Where a test may end this process: STILLHOUSE_FAULT=POINT or POINT@N kills it with SIGKILL when it passes the point for
 * the Nth time (in that thread), after saying so on stderr. Not set, a point costs one comparison.
 */
import { writeSync } from 'node:fs';

/** The phases of a step at which something can die; each of them lies in the coordinator and in the worker. */
export const faultPoints = [
  'idle', 'leased', 'computing', 'first-chunk', 'all-chunks', 'before-fsync', 'after-fsync', 'partial-release', 'before-acknowledgement', 'snapshot',
] as const;
export type FaultPoint = (typeof faultPoints)[number];

const wanted = parse(process.env.STILLHOUSE_FAULT);

export function faultPoint(point: FaultPoint): void {
  if (wanted === null || wanted.point !== point) return;
  wanted.left--;
  if (wanted.left > 0) return;
  writeSync(2, `fault: ${point}\n`);
  process.kill(process.pid, 'SIGKILL');
}

/** @throws Error for a point that does not exist: a fault test must not pass because nothing happened */
function parse(text: string | undefined): { point: FaultPoint; left: number } | null {
  if (text === undefined || text === '') return null;
  const [name, times = '1'] = text.split('@');
  const point = faultPoints.find((one) => one === name);
  if (point === undefined || !/^[1-9]\d*$/.test(times)) throw new Error(`STILLHOUSE_FAULT=${text}: POINT or POINT@N was wanted, with one of ${faultPoints.join(', ')}`);
  return { point, left: Number(times) };
}
