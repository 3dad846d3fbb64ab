/**
 * The link's thread: it starts a Link on what the main thread gave, passes messages both ways, and ends with the link.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { LinkStart, ToLink, ToTrainer } from '../threads/messages.js';
import { Link } from './link.js';

const port = parentPort;
if (port === null) throw new Error('link/thread.ts runs in a worker thread');
const start = workerData as LinkStart;
const toTrainer = (message: ToTrainer): void => port.postMessage(message);
const link = new Link({
  ...start,
  toTrainer,
  // The main thread is stuck inside a library, and nothing short of this ends the process.
  onStall: () => process.kill(process.pid, 'SIGKILL'),
});
port.on('message', (message: ToLink) => link.hear(message));
toTrainer(await link.run());
port.close();
