/**
 * The link's thread: starts a Link on what the main thread gave, passes messages both ways, and ends with its ending.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Link } from './link.js';
import type { LinkStart, ToLink, ToTrainer } from '../threads/messages.js';

const port = parentPort;
if (port === null) throw new Error('link-thread.ts runs in a worker thread');
const start = workerData as LinkStart;
const toTrainer = (message: ToTrainer): void => port.postMessage(message);
const link = new Link({
  ...start,
  toTrainer,
  // The main thread is stuck inside a library: nothing short of this ends the process.
  onStall: () => process.kill(process.pid, 'SIGKILL'),
});
port.on('message', (message: ToLink) => link.hear(message));
const ending = await link.run();
toTrainer({ type: 'end', ...ending });
port.close();
