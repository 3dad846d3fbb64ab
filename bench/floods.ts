/**
 * node dist/bench/floods.js [--json]
 *
 * What hostile peers with the right token cost a coordinator: for each attack of flood-attacks.ts, by 48 peers at once, the memory
 * that its process takes beyond what it had, and the longest that it left a request for /livez without an answer, asked again and
 * again from another process's loop. The attackers share the machine.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { attacks, connect, peakBytes, peers } from './flood-attacks.js';
import { Program, killAll } from './programs.js';

const token = 'a-token-for-the-bench-of-floods-0123456789abc';
const recipe = `student: { builtin: mlp, hidden: [16] }
losses: { crossEntropy: { weight: 1 } }
data:
  train: { format: csv, inputs: rows.csv, header: false, labels: 3 }
optimizer: { name: sgd, learningRate: 0.1 }
batch: { size: 32, micro: 8 }
epochs: 2
`;

/** A coordinator that waits for workers. */
async function start(folder: string): Promise<{ coordinator: Program; url: string }> {
  const coordinator = new Program(
    ['coordinator', join(folder, 'recipe.yaml'), '--listen', '127.0.0.1:0', '--out', mkdtempSync(join(folder, 'run-'))],
    { STILLHOUSE_TOKEN: token, STILLHOUSE_CACHE: join(folder, 'cache') },
  );
  const said = await coordinator.says(/ws:\/\/[\d.]+:\d+/);
  return { coordinator, url: said[0] };
}

/** The longest answer in milliseconds, from its own thread, so that the attackers' work is not counted. */
class Prober {
  readonly #thread: Worker;

  constructor(url: string) {
    this.#thread = new Worker(new URL(import.meta.url), { workerData: url.replace('ws:', 'http:') });
  }

  async longestMs(): Promise<number> {
    const longest = new Promise<number>((resolve) => this.#thread.once('message', resolve));
    this.#thread.postMessage('end');
    return longest;
  }
}

async function probe(url: string): Promise<void> {
  let [isOver, longest] = [false, 0];
  parentPort?.once('message', () => (isOver = true));
  while (!isOver) {
    const startMs = performance.now();
    await fetch(`${url}/livez`).then((response) => response.text());
    longest = Math.max(longest, performance.now() - startMs);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  parentPort?.postMessage(longest);
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } });
  const folder = mkdtempSync(join(tmpdir(), 'stillhouse-floods-'));
  try {
    writeFileSync(join(folder, 'recipe.yaml'), recipe);
    const rows = Array.from({ length: 96 }, (_, i) => [i % 7, i % 5, (i * i) % 11, i % 3].join());
    writeFileSync(join(folder, 'rows.csv'), `${rows.join('\n')}\n`);
    for (const [name, attack] of attacks) {
      const { coordinator, url } = await start(folder);
      const prober = new Prober(url);
      const before = peakBytes(coordinator);
      await Promise.all(Array.from({ length: peers }, async () => attack(await connect(url, token))));
      const memoryMiB = (peakBytes(coordinator) - before) / 2 ** 20;
      const stallMs = await prober.longestMs();
      coordinator.child.kill('SIGKILL');
      await coordinator.ended;
      process.stdout.write(
        values.json
          ? `${JSON.stringify({ what: 'floods', name, peers, memoryMiB, stallMs })}\n`
          : `${name}: ${memoryMiB.toFixed(0)} MiB, longest answer ${stallMs.toFixed(0)} ms\n`,
      );
    }
  } finally {
    killAll();
    rmSync(folder, { recursive: true, force: true });
  }
}

if (isMainThread) await main();
else await probe(String(workerData));
