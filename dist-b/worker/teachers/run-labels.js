import { openShelf } from '../../shared/labels/shelf.js';
import { CoordinatorLabels } from './coordinator-labels.js';
import { Labels } from './labels.js';
/** Bytes of label blocks in a worker's memory, about. */
const memoryBytes = 2 ** 30;
/** Null where no loss wants soft labels. */
export function openRunLabels({ source, ensemble, home, warn, alive, peers = null }) {
    const { cache } = source.recipe.labels;
    const shelf = openShelf(source, { home: cache ? home : null, warn, memoryBytes });
    if (shelf === null)
        return null;
    const shared = peers === null || !cache ? null : new CoordinatorLabels({ ...peers, shelf, warn, alive, wait: peers.worker === undefined && source.recipe.labels.wait });
    shared?.greet();
    return new Labels({
        compute: async (names, inputs, rows) => (await ensemble()).labels(names, inputs, rows), teachers: source.teachers, shelf, cache,
        peers: shared,
    });
}
//# sourceMappingURL=run-labels.js.map