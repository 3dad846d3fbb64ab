/**
 * What a process does that may take long, such as reading data or hashing a model: whoever does it tells so here, and
 * whoever has a terminal shows it. Telling also gives signals their turn, which work that never waits would hold back.
 */
import { setImmediate as turn } from 'node:timers/promises';

/** How far it has come, in whatever it consists of. */
export interface WorkPart {
  readonly done: number;
  readonly total: number;
}

type Listener = (what: string, part: WorkPart | null) => void;

let listener: Listener | null = null;

/** Has all that is told from here on shown; null: nothing is. */
export function showLongWork(show: Listener | null): void {
  listener = show;
}

/** Tells what is being done. @param what in words, as `reading train.csv` @param part null where that cannot be known */
export async function atWork(what: string, part: WorkPart | null = null): Promise<void> {
  listener?.(what, part);
  await turn();
}
