/**
 * node dist/bench/page.js
 *
 * What the page costs a coordinator: the time to keep a step for it, whether or not anybody watches, and the time to
 * tell 16 viewers of a run of 100,000 steps and 1,000 workers, over sockets on loopback.
 */
import { createServer, request, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { unread } from '../coordinator/page/curves.js';
import { LiveRun } from '../coordinator/page/live-run.js';
import { Viewers } from '../coordinator/page/viewers.js';
import { soon } from './programs.js';

const steps = 100_000;
const workers = 1000;
const viewersAtOnce = 16;
const print = (line: string): void => void process.stdout.write(`${line}\n`);

const live = new LiveRun({ weightsAt: () => ({ crossEntropy: 0.3, response: 0.7 }), nowMs: () => performance.now() });
const startMs = performance.now();
for (let step = 1; step <= steps; step++) {
  const terms = { crossEntropy: 1 / step, response: 2 / step };
  const labels = (): null => null;
  live.output.progress({ step, totalSteps: steps, epoch: 0, epochs: 1, samples: step * 128, terms, workers, labels });
}
print(`a step: ${(((performance.now() - startMs) * 1000) / steps).toFixed(2)} us`);
print(`all curves after ${steps} steps: ${JSON.stringify(live.curves.since(unread)).length} bytes`);

const here = Array.from({ length: workers }, (_, i) => ({
  ...{ worker: `w${i}`, process: `process-${i}`, host: `host-${i >> 3}.example`, pid: 1000 + i, device: 'NVIDIA H100' },
  ...{
    state: 'computing' as const,
    lease: `micro-batches ${i}..${i} of step ${steps}`,
    silentMs: 100,
    numerics: 'exact',
  },
  ...{ samples: 128 * i, queuedBytes: 0, plane: 'socket', microBatchMs: 3.5 },
}));
const blocks = here.map(({ worker }, from) => ({ from, to: from + 1, worker, state: 'computing' as const }));

const viewers = new Viewers({
  run: {
    ...{ run: 'r', generation: 1, name: 'big', folder: 'big' },
    ...{ batch: { size: 128 * workers, micro: 128 }, engines: [] },
  },
  live,
  status: async () => {
    return {
      ...{ run: 'r', generation: 1, name: 'big', state: 'working', step: steps, steps: 2 * steps, epoch: 0, epochs: 2 },
      ...{ samples: 128 * steps, samplesPerSecond: 1e5, secondsLeft: 9, terms: { crossEntropy: 1, response: 2 } },
      ...{
        leases: { granted: 1, repeated: 0, refused: 0 },
        labels: null,
        firstFailure: null,
        weights: {},
        figure: null,
        references: [],
      },
      ...{ commitMs: 1, logBytes: 1, residentBytes: 1, workers, here },
      unit: { name: `step ${steps}`, microBatches: workers, blocks },
    };
  },
  onError: (error) => {
    throw error;
  },
});
const server = createServer((incoming, response) => viewers.serve(incoming, response, () => null));
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const { port } = server.address() as AddressInfo;
let bytes = 0;
for (let i = 0; i < viewersAtOnce; i++) {
  const answer = await new Promise<IncomingMessage>((resolve) => request({ port, agent: false }, resolve).end());
  answer.on('data', (data: Buffer) => (bytes += data.length));
}
await soon(1500);
const [before, fromMs] = [bytes, performance.now()];
const busy = process.cpuUsage();
await soon(20_000);
const { user, system } = process.cpuUsage(busy);
const seconds = (performance.now() - fromMs) / 1000;
print(
  `${viewersAtOnce} viewers of ${workers} workers, both ends: ${((user + system) / 1000 / seconds).toFixed(1)} ms of processor and ${Math.round((bytes - before) / seconds / viewersAtOnce / 1024)} KiB for each viewer a second`,
);
process.exit(0);
