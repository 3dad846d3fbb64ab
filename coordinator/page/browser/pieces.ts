/** The blocks of a unit in order, as they are drawn. Pure. */
import type { PageStatus } from './messages.js';

export type DrawnUnit = NonNullable<PageStatus['unit']>;
type Block = DrawnUnit['blocks'][number];

const order = { computing: 0, uploading: 1, accepted: 2 } as const;

/** Micro-batches [from, to) that stand alike. */
export interface Piece {
  readonly from: number;
  readonly to: number;
  readonly state: Block['state'] | 'free';
  readonly workers: readonly string[];
}

/** The micro-batches in order, as blocks; a block that several compute is one, at its furthest. */
export function pieces({ microBatches, blocks }: DrawnUnit): Piece[] {
  const byStart = new Map<number, Piece>();
  for (const { from, to, state, worker } of blocks) {
    const known = byStart.get(from);
    const isFurther = known === undefined || known.state === 'free' || order[state] > order[known.state];
    byStart.set(from, {
      from,
      to: Math.max(to, known?.to ?? 0),
      state: isFurther ? state : known.state,
      workers: [...(known?.workers ?? []), worker],
    });
  }
  const found: Piece[] = [];
  let at = 0;
  for (const piece of [...byStart.values()].sort((a, b) => a.from - b.from)) {
    if (piece.from > at) found.push({ from: at, to: piece.from, state: 'free', workers: [] });
    if (piece.to > at) found.push(piece);
    at = Math.max(at, piece.to);
  }
  if (at < microBatches) found.push({ from: at, to: microBatches, state: 'free', workers: [] });
  return found;
}
