/** What tests try as it is built, since it starts threads or is measured as a process: its parts by name. */
export { writeShards } from '../cli/prepare/shards.js';
export { StateCopy } from '../coordinator/store/state-copy.js';
export { runWorker } from '../worker/worker.js';
