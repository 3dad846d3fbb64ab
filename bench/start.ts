/**
 * What starting a worker costs, until it first tries to reach its coordinator: wall time, and processor time of all its
 * threads, medians. Finding and linking modules would be most of it, which is why they are bundled.
 *
 *   node dist/bench/start.js [--rounds 9]
 */
import { parseArgs } from 'node:util';
import { median, Program } from './programs.js';
import { spentBy } from './processor.js';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '9' } } });

const wall: number[] = [];
const processor: number[] = [];
for (let round = 0; round < Number(values.rounds); round++) {
  const from = performance.now();
  const worker = new Program(['worker', 'ws://127.0.0.1:1']);
  await worker.says(/trying again/);
  wall.push(performance.now() - from);
  processor.push(spentBy(worker.child.pid ?? 0).reduce((sum, [, ms]) => sum + ms, 0));
  worker.child.kill('SIGKILL');
  await worker.ended;
}
console.log(`worker: ${median(wall).toFixed(0)} ms, of processor time ${median(processor).toFixed(0)} ms`);
