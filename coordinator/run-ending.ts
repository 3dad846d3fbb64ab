/** What workers and watchers are told at the end of a run. Pure. */
import { counted } from '../shared/counted.js';
import type { PageEnd } from './page/browser/messages.js';
import type { Summary } from './reports/summary.js';
import type { Outcome } from './run.js';
import type { RunEnd } from './workers/end-of-run.js';

/** What follows the run, and where its workers are. */
interface EndingOptions {
  readonly next: boolean;
  readonly nextAfter?: (outcome: Outcome) => boolean;
  readonly isOpen?: boolean | undefined;
}

/** What those who watch a finished run in a browser are told. */
export function pageEnd({ name, steps, digest }: Summary, { next }: Pick<EndingOptions, 'next'>): PageEnd {
  const text = `${name} is done: ${counted(steps, 'step')}, weights ${digest.slice(0, 16)}`;
  return { state: next ? 'again' : 'done', text };
}

/** What schedulers and service managers stop a process by that they start again, here or elsewhere. */
const schedulersSignals = new Set(['SIGTERM', 'SIGUSR1']);

/** What the workers are told of how the run ended. */
export function endOf(outcome: Outcome, { next, nextAfter, isOpen }: EndingOptions): RunEnd {
  const isDone = outcome.type === 'done';
  if (isDone ? next : nextAfter?.(outcome) === true) return { reason: 'next', text: '' };
  if (isDone) return { reason: 'done', text: '' };
  const isPause = isOpen === true && outcome.type === 'stopped' && schedulersSignals.has(outcome.reason);
  return { reason: isPause ? 'pause' : 'stopped', text: outcome.reason };
}
