/**
 * The signal handlers, installed when this module is first imported. cli.ts imports it before anything else, because
 * until a handler is installed SIGUSR1 opens Node's debugger and SIGTERM ends the process where it stands.
 *
 * SIGINT, SIGTERM and SIGUSR1 end the process at once with 75 where nobody works who stops in good order. Where somebody
 * does they ask for that (the signal that such work is given aborts with the signal's name), and a second SIGINT ends the
 * process at once. SIGUSR2 asks for a snapshot and ends nothing. A local worker ignores all four: a terminal, a
 * scheduler and a service manager send them to the whole process group, and its coordinator tells it when to end.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { exitCodes } from '../shared/errors.js';

const controller = new AbortController();

const listeners = new Set<() => void>();

/** Calls `take` at every SIGUSR2, until the function that is returned is called. */
export function onSnapshotWanted(take: () => void): () => void {
  listeners.add(take);
  return () => void listeners.delete(take);
}

/** What is done before the process ends at once. */
let beforeEnd: ((signal: NodeJS.Signals) => void) | null = null;
/** Works under way that stop in good order. */
let inOrder = 0;

/**
 * For all that the process does from here on, which stops in good order. It aborts when a stop is asked for; `reason` is
 * the signal's name.
 */
export function stopInOrder(): AbortSignal {
  inOrder++;
  return controller.signal;
}

/**
 * Does work that stops in good order when `stop` aborts. What comes before and after it heeds nothing, and a signal ends
 * the process there at once: one that only asked for a stop would be lost.
 */
export async function inGoodOrder<T>(work: (stop: AbortSignal) => Promise<T>): Promise<T> {
  inOrder++;
  try {
    return await work(controller.signal);
  } finally {
    inOrder--;
  }
}

/** Has this called before a signal ends the process where it stands. */
export function onEndAtOnce(call: (signal: NodeJS.Signals) => void): void {
  beforeEnd = call;
}

/** Waits between two looks at something. @returns false as soon as a stop is asked for */
export async function pause(ms: number): Promise<boolean> {
  const stop = stopInOrder();
  await sleep(ms, undefined, { signal: stop }).catch(() => undefined);
  return !stop.aborted;
}

function requestStop(signal: NodeJS.Signals): void {
  if (inOrder === 0) {
    beforeEnd?.(signal);
    process.exit(exitCodes.stopped);
  }
  if (signal === 'SIGINT' && controller.signal.aborted) process.exit(130);
  controller.abort(signal);
}

const isLocalWorker = process.env.STILLHOUSE_LOCAL === '1';
for (const signal of ['SIGINT', 'SIGTERM', 'SIGUSR1'] as const)
  process.on(signal, isLocalWorker ? () => undefined : requestStop);
process.on('SIGUSR2', () => listeners.forEach((take) => take()));
