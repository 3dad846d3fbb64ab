/** Which rows of a request for labels are missing, and where they belong. Pure. */
import type { LabelBlock } from '../../../shared/labels/block.js';
import type { BlockPlan } from '../../../shared/labels/block-plan.js';
import { must } from '../../../shared/must.js';

/** Where the samples of one request lie: for each its block's number and its row there. */
export interface Places {
  readonly blocks: Uint32Array;
  readonly rows: Uint32Array;
}

/** Blocks of one label set by their numbers. */
export type OpenBlocks = ReadonlyMap<number, LabelBlock>;

export function locate(plan: BlockPlan, ids: Uint32Array): Places {
  return { blocks: ids.map((id) => plan.locate(id)), rows: ids.map((id) => plan.rowOf(id)) };
}

/** Indices of the request's samples whose label is wanted and not there; ascending. */
export function missingRows({ blocks, rows }: Places, open: OpenBlocks): number[] {
  const missing: number[] = [];
  for (let i = 0; i < rows.length; i++) {
    const [block, row = 0] = [must(open, blocks[i] ?? 0, 'label block'), rows[i]];
    if (block.wants(row) && !block.has(row)) missing.push(i);
  }
  return missing;
}

/** These samples of the request by the numbers of their blocks, in their order. */
export function byBlock({ blocks }: Places, samples: readonly number[]): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  for (const i of samples) {
    const block = blocks[i] ?? 0;
    const group = groups.get(block);
    if (group === undefined) groups.set(block, [i]);
    else group.push(i);
  }
  return groups;
}

/**
 * Adds one row to a block, taken from `values` at `at`.
 *
 * @returns whether it was added: not where it was there, and not where it can be no label (shared/labels/row-faults.ts)
 */
export function addRow(block: LabelBlock, row: number, values: Float32Array, at: number, width: number): boolean {
  if (block.has(row)) return false;
  for (let k = 0; k < width; k++) if (!Number.isFinite(values[at + k])) return false;
  return block.addSound(row, values, at);
}
