/** The labels of one run on one worker: its label sets, their blocks on this machine, and the ensemble behind them. */
import type { LabelHome } from '../../shared/labels/home.js';
import type { LabelSource } from '../../shared/labels/sets.js';
import { openShelf, type LabelShelf } from '../../shared/labels/shelf.js';
import type { Ensemble } from './ensemble.js';
import { Labels, type LabelPeers } from './labels.js';

export interface RunLabelsOptions {
  readonly source: LabelSource;
  readonly ensemble: Pick<Ensemble, 'labels'>;
  /** Null: labels are kept in memory alone. */
  readonly home: LabelHome | null;
  readonly warn: (line: string) => void;
  readonly openPeers?: (shelf: LabelShelf) => LabelPeers;
}

/** Bytes of label blocks in a worker's memory, about. */
const memoryBytes = 2 ** 30;

/** Null where no loss wants soft labels. */
export function openRunLabels({ source, ensemble, home, warn, openPeers }: RunLabelsOptions): Labels | null {
  const { cache } = source.recipe.labels;
  const shelf = openShelf(source, { home: cache ? home : null, warn, memoryBytes });
  if (shelf === null) return null;
  return new Labels({
    compute: (names, inputs, rows) => ensemble.labels(names, inputs, rows), teachers: source.teachers, shelf, cache,
    peers: cache ? (openPeers?.(shelf) ?? null) : null,
  });
}
