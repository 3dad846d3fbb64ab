/** Says which workers are given work while some of them rest (conduct.ts). */
import type { Machine } from './machine.js';
import type { WorkerRecord } from './state.js';

/** The ready workers but for those that rest; all of them where there are no others. */
export function askedFirst(m: Machine): WorkerRecord[] {
  const ready = [...m.workers.ready];
  const rested = ready.filter((worker) => !m.conduct.isResting(worker, m.nowMs));
  return rested.length === 0 ? ready : rested;
}
