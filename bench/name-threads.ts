/**
 * Loaded into every thread of a measured program (`node --import`): writes down who the thread is, as a line of JSON in
 * a file of the folder STILLHOUSE_THREADS. Linux knows threads of Node by numbers alone.
 */
import { readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { threadId } from 'node:worker_threads';

const folder = process.env.STILLHOUSE_THREADS;
if (folder !== undefined) {
  // `PID/task/TID`
  const [, , tid] = readlinkSync('/proc/thread-self').split('/');
  const thread = { pid: process.pid, tid: Number(tid), isMain: threadId === 0, verb: process.argv[2] };
  writeFileSync(join(folder, `${process.pid}-${threadId}`), JSON.stringify(thread));
}
