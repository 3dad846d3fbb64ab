/** The labels of one run on one worker: its label sets, their blocks on this machine, and the ensemble behind them. */
import type { LabelHome } from '../../shared/labels/home.js';
import { areKept, type LabelSource } from '../../shared/labels/sets.js';
import { openShelf } from '../../shared/labels/shelf.js';
import { CoordinatorLabels } from './coordinator-labels.js';
import type { Ensemble } from '../compute/teachers/ensemble.js';
import { Labels } from '../compute/labels/labels.js';

export interface RunLabelsOptions {
  readonly source: LabelSource;
  /** Opened when the first label must be computed. */
  readonly ensemble: () => Promise<Pick<Ensemble, 'labels'>>;
  /** Null: labels are kept in memory alone. */
  readonly home: LabelHome | null;
  readonly warn: (line: string) => void;
  /** Called while it waits for labels of others; false: nobody waits any more. */
  readonly alive?: () => boolean;
  /** Null: this worker asks and tells nobody. */
  readonly peers?: { readonly address: string; readonly token: string | null; readonly worker?: string } | null;
}

/** Bytes of label blocks in a worker's memory, about. */
const memoryBytes = 2 ** 30;

/** Null where no loss wants soft labels. */
export function openRunLabels({ source, ensemble, home, warn, alive, peers = null }: RunLabelsOptions): Labels | null {
  const cache = areKept(source.recipe);
  const shelf = openShelf(source, { home: cache ? home : null, warn, memoryBytes });
  if (shelf === null) return null;
  const shared =
    peers === null || !cache
      ? null
      : new CoordinatorLabels({
          ...peers,
          shelf,
          warn,
          alive,
          wait: peers.worker === undefined && source.recipe.labels.wait,
        });
  shared?.greet();
  return new Labels({
    compute: async (names, inputs, samples) => (await ensemble()).labels(names, inputs, samples),
    teachers: source.teachers,
    shelf,
    cache,
    peers: shared,
  });
}
