/**
 * Who sends labels, and what is held against it. A worker's name is its own choice, so a sender is known by its host and
 * token as well; one of another host under the same name is another. Pure.
 */

/** Who has sent rows of labels. */
export interface Sender {
  /** The host and the token that it comes with, which it cannot choose. */
  readonly origin: string;
  /** Its own name; null where it gave none. */
  readonly worker: string | null;
  /** What its bits depend on: those of senders of the same are equal; null where it does not say. */
  readonly numerics: string | null;
}

/** Offers that could not be, or differed from what was kept, after which nothing more is taken of a sender. */
export const strikesAllowed = 3;
/** So many senders are remembered; those that were heard of first are forgotten first. */
const remembered = 4096;

/** Why nothing is taken of a sender that an audit has found out. */
export const lied = 'an audit has found other labels than those that two others made';

/** A sender's key. */
export function senderKey({ origin, worker }: Pick<Sender, 'origin' | 'worker'>): string {
  return `${origin} ${worker ?? ''}`;
}

/** The sender, for messages. */
export function senderName({ origin, worker }: Pick<Sender, 'origin' | 'worker'>): string {
  const host = origin.split(' ')[0] ?? origin;
  return worker === null ? `a worker of ${host}` : `${worker.slice(0, 8)} of ${host}`;
}

export class Senders {
  readonly #strikes = new Map<string, number>();
  readonly #barred = new Map<string, string>();
  /** Names of workers that lied to a coordinator before this one, which has kept no more of them. */
  readonly #liars: ReadonlySet<string>;

  /** @param liars names of workers of which nothing is taken, wherever they come from */
  constructor(liars: readonly string[] = []) {
    this.#liars = new Set(liars);
  }

  /** Why nothing more is taken of this sender; null where it is. */
  barredText(sender: Sender): string | null {
    if (sender.worker !== null && this.#liars.has(sender.worker)) return lied;
    return this.#barred.get(senderKey(sender)) ?? null;
  }

  /** It has sent what cannot be, or conflicts. @returns whether that was once too often */
  strike(sender: Sender): boolean {
    const key = senderKey(sender);
    const strikes = (this.#strikes.get(key) ?? 0) + 1;
    remember(this.#strikes, key, strikes);
    if (strikes !== strikesAllowed) return false;
    this.bar(sender, `${strikesAllowed} offers of labels that cannot be, or that differ from those that are kept`);
    return true;
  }

  /** Nothing more is taken of it. */
  bar(sender: Pick<Sender, 'origin' | 'worker'>, reason: string): void {
    remember(this.#barred, senderKey(sender), reason);
  }
}

function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  const first = map.size > remembered ? map.keys().next() : null;
  if (first?.done === false) map.delete(first.value);
}
