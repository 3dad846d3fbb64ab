/**
 * Labels that others made, as a run's own labels see them: something that may have what is missing here, and takes what
 * was made here. How it reaches the others is no matter of worker/compute: worker/labels/coordinator-labels.ts asks the
 * coordinator for them.
 */
import type { LabelBlocks } from '../../../shared/labels/label-blocks.js';

export interface SharedLabels {
  /**
   * Adds what others have of these blocks to this machine's; where `wait` is set, it returns when the rows are there.
   *
   * @param set index of the label set among the run's
   * @param wanted rows by the block's number
   * @throws WaitEnded when nobody waits for the labels any more
   */
  ask(set: number, wanted: ReadonlyMap<number, readonly number[]>): Promise<void>;
  /** Lets others have new rows of a block, soon. */
  offer(set: number, block: number, rows: readonly number[]): void;
  /** Sends what was offered, and waits for its arrival. */
  sent(): Promise<void>;
  /** Sends what is still to be sent, soon or never. */
  close(): Promise<void>;
}

export interface SharedLabelsOptions {
  /** The labels of one run on this machine, to which what others have is added. */
  readonly labelBlocks: LabelBlocks;
  readonly warn: (line: string) => void;
  /** Called while it waits for labels of others; false: nobody waits any more. */
  readonly alive: () => boolean;
  /** Whether `ask` waits until others have made what is missing (`labels.wait` of the recipe). */
  readonly wait: boolean;
}

/** Opens the labels that others have of one run. */
export type OpenSharedLabels = (options: SharedLabelsOptions) => SharedLabels;
