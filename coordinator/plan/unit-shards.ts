/** Which shards of the data the micro-batches of a unit read: numbers from 0, those of the evaluation set last. Pure. */
import { shardsInOrder, shardStarts } from '../../shared/data/sampler.js';
import { microBatchRange } from '../../shared/replica/reduction/tree.js';
import type { Unit } from '../decide/types.js';
import type { PreparedRun } from './prepared-run.js';

/** @returns undefined where it makes no difference who computes what: there is one shard, or nothing is known of them */
export function unitShards({
  manifest: { train, eval: evaluation },
  shardsIn,
}: Pick<PreparedRun, 'manifest' | 'shardsIn'>):
  ((unit: Unit, from: number, to: number) => readonly number[]) | undefined {
  const evaluationShards = evaluation?.shards.length ?? 0;
  if (shardsIn === undefined || train.shards.length + evaluationShards < 2) return undefined;
  const starts = evaluation === null ? new Uint32Array(0) : shardStarts(evaluation);
  return (unit, from, to) => {
    if (from >= to) return [];
    const size = unit.to - unit.from;
    const first = unit.from + microBatchRange(size, unit.microBatches, from).from;
    const end = unit.from + microBatchRange(size, unit.microBatches, to - 1).to;
    if (unit.kind === 'train') return shardsIn(unit.epoch, first, end);
    return shardsInOrder(starts, first, end).map((shard) => train.shards.length + shard);
  };
}
