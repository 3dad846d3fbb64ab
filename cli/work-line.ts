/** The line that shows on a terminal what a process does before and after its run. Pure but for what it is given. */
import type { WorkPart } from '../shared/long-work.js';

/** Drawn no more often than this, in milliseconds. */
const everyMs = 100;
const [clear, usualColumns] = ['\r\u001b[K', 80];

export interface WorkScreen {
  readonly columns?: number;
  write(text: string): unknown;
}

/** `reading train.csv: 12000 of 60000`, no longer than the terminal is wide, so that it can be drawn over. */
export function workText(what: string, part: WorkPart | null, columns = usualColumns): string {
  const isCounted = part !== null && part.total > 0;
  const text = isCounted ? `${what}: ${part.done} of ${part.total}` : what;
  return Array.from(text.replace(/\p{Cc}/gu, '?'))
    .slice(0, columns - 1)
    .join('');
}

export class WorkLine {
  readonly #screen: WorkScreen;
  readonly #nowMs: () => number;
  #isShown = false;
  #what = '';
  #drawnMs = -Infinity;

  constructor(screen: WorkScreen, nowMs: () => number) {
    [this.#screen, this.#nowMs] = [screen, nowMs];
  }

  show(what: string, part: WorkPart | null): void {
    const nowMs = this.#nowMs();
    if (this.#isShown && what === this.#what && nowMs - this.#drawnMs < everyMs) return;
    [this.#isShown, this.#what, this.#drawnMs] = [true, what, nowMs];
    this.#screen.write(clear + workText(what, part, this.#screen.columns));
  }

  /** Takes it away, before anything else is written. */
  clear(): void {
    if (this.#isShown) this.#screen.write(clear);
    this.#isShown = false;
  }
}
