/** What tests try as it is built, since it starts threads or is measured as a process: its parts by name. */
export { writeShards } from '../cli/prepare/shards.js';
export { inGoodOrder, onEndAtOnce, stopInOrder } from '../cli/signals.js';
export { StateCopy } from '../coordinator/store/state-copy.js';
export { runCommand } from '../worker/compute/backends/command.js';
export { fillFolder } from '../worker/tools/install/place.js';
export { runWorker } from '../worker/worker.js';
