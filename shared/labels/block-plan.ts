/** How a data set is cut into label blocks: by its shards, so that blocks outlive a longer data set. Pure. */
import type { DataSet } from '../data/manifest.js';
import { lastAtMost } from '../search.js';

/** Some consecutive samples of one shard. */
export interface BlockPlace {
  /** `<shard's SHA-256>-<first row in the shard>-<rows>`. */
  readonly name: string;
  /** SHA-256 of the shard. */
  readonly shard: string;
  /** Row of the block's first sample in the shard. */
  readonly from: number;
  /** Id of the block's first sample. */
  readonly first: number;
  /** Number of samples. */
  readonly rows: number;
}

/** The most bytes and rows that a block may have. */
const largestBlock = { bytes: 4 * 1024 * 1024, rows: 1024 };

/** A data set cut into blocks of equal size; a shard's last block may be shorter. */
export class BlockPlan {
  readonly blocks: readonly BlockPlace[];
  readonly #firsts: Uint32Array;

  constructor(dataSet: DataSet, rowBytes: number) {
    const step = blockRows(rowBytes);
    const blocks: BlockPlace[] = [];
    let shardFirst = 0;
    for (const { sha256, samples } of dataSet.shards) {
      for (let from = 0; from < samples; from += step) {
        const rows = Math.min(step, samples - from);
        blocks.push({ name: `${sha256}-${from}-${rows}`, shard: sha256, from, first: shardFirst + from, rows });
      }
      shardFirst += samples;
    }
    this.blocks = blocks;
    this.#firsts = Uint32Array.from(blocks, ({ first }) => first);
  }

  get samples(): number {
    const last = this.blocks.at(-1);
    return last === undefined ? 0 : last.first + last.rows;
  }

  /** The place of a block. @throws RangeError for a number that is none of this plan's */
  at(block: number): BlockPlace {
    const place = this.blocks[block];
    if (place === undefined) throw new RangeError(`label block ${block} of ${this.blocks.length}`);
    return place;
  }

  /** Row of a sample in the block that holds it. */
  rowOf(id: number): number {
    return id - this.at(this.locate(id)).first;
  }

  /** Number of the block that holds a sample. */
  locate(id: number): number {
    return lastAtMost(this.#firsts, id);
  }
}

/** Rows of a block: a power of two, so that blocks of different runs are cut at the same places. */
function blockRows(rowBytes: number): number {
  let rows = largestBlock.rows;
  while (rows > 16 && rows * rowBytes > largestBlock.bytes) rows /= 2;
  return rows;
}
