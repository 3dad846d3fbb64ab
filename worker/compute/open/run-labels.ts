/** The labels of one run on one worker: its label sets, their blocks on this machine, and the ensemble behind them. */
import type { LabelStorage } from '../../../shared/labels/storage.js';
import { areKept, type LabelSource } from '../../../shared/labels/sets.js';
import { openLabelBlocks } from '../../../shared/labels/label-blocks.js';
import { Labels } from '../labels/labels.js';
import type { OpenSharedLabels } from '../labels/shared-labels.js';
import type { Ensemble } from '../teachers/ensemble.js';

export interface RunLabelsOptions {
  readonly source: LabelSource;
  /** Opens the teachers; called when the first label must be computed. */
  readonly ensemble: () => Promise<Pick<Ensemble, 'labels'>>;
  /** Where label blocks lie on this machine's disk; null: labels are kept in memory alone. */
  readonly storage: LabelStorage | null;
  readonly warn: (line: string) => void;
  /** Called while it waits for labels of others; false: nobody waits any more. Default: somebody always does. */
  readonly alive?: () => boolean;
  /** Labels that others made; null: this worker asks and tells nobody. */
  readonly sharedLabels?: OpenSharedLabels | null;
}

/** Bytes of label blocks in a worker's memory, about. */
const memoryBytes = 2 ** 30;

/** Opens the labels that the recipe's losses want; null where no loss wants soft labels. */
export function openRunLabels(options: RunLabelsOptions): Labels | null {
  const { source, ensemble, storage, warn, alive = () => true, sharedLabels = null } = options;
  const cache = areKept(source.recipe);
  const labelBlocks = openLabelBlocks(source, { storage: cache ? storage : null, warn, memoryBytes });
  if (labelBlocks === null) return null;
  return new Labels({
    compute: async (labels, inputs, samples) => (await ensemble()).labels(labels, inputs, samples),
    labelBlocks,
    cache,
    shared: cache ? (sharedLabels?.({ labelBlocks, warn, alive, wait: source.recipe.labels.wait }) ?? null) : null,
  });
}
