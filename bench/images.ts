/**
 * Samples a second on colour images of 32 x 32 beside PyTorch's DistributedDataParallel (bench/images.py), one after the
 * other in each round: a ResNet-20 and a small ViT, exported by PyTorch, taught by a ResNet-56, two processes of one
 * thread; the teacher live, and its labels kept, on both sides.
 *
 *   node dist/bench/images.js PYTHON [--students resnet20,vit] [--batch 128] [--micro 16] [--rounds 3] [--samples 1024]
 * [--epochs 3]
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { median } from './programs.js';
import { measureRecipe } from './throughput.js';
import { withPythonOf } from './with-python.js';

const script = fileURLToPath(new URL('../../bench/images.py', import.meta.url));
const { values, python } = withPythonOf('PyTorch, onnx and numpy', {
  students: { type: 'string', default: 'resnet20,vit' },
  batch: { type: 'string', default: '128' },
  micro: { type: 'string', default: '16' },
  rounds: { type: 'string', default: '3' },
  samples: { type: 'string', default: '1024' },
  epochs: { type: 'string', default: '3' },
});
const workers = 2;
const [batch, micro] = [Number(values.batch), Number(values.micro)];
const ways = ['live', 'kept'] as const;
type Way = (typeof ways)[number];

function inPython(...args: readonly (string | number)[]): string {
  return execFileSync(python, [script, ...args.map(String)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

function recipeOf(student: string): string {
  return `
name: images
student: { model: ${student}.onnx }
teachers: [{ name: teacher, model: teacher.onnx }]
ensemble: { allowChance: true }
losses: { crossEntropy: { weight: 0.3 }, response: { weight: 0.7, temperature: 4 } }
data:
  train: { format: npy, images: train.npz#images, labels: train.npz#labels }
  preprocess: { scale: 0.00392156862745098, mean: [0.5], std: [0.25] }
optimizer: { name: sgd, momentum: 0.9, learningRate: 0.05 }
batch: { size: ${batch}, micro: ${micro} }
epochs: ${values.epochs}
`;
}

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-bench-'));
try {
  inPython('make', folder, values.samples);
  for (const student of values.students.split(',')) {
    const recipe = join(folder, `${student}.yaml`);
    writeFileSync(recipe, recipeOf(student));
    const rounds: Record<'ours' | 'theirs', Record<Way, number>>[] = [];
    for (let round = 0; round < Number(values.rounds); round++) {
      const rates = { ours: { live: 0, kept: 0 }, theirs: { live: 0, kept: 0 } };
      for (const way of ways) {
        const sets = [`labels.cache=${way === 'kept'}`];
        rates.ours[way] = (await measureRecipe(recipe, { backend: 'onnx', workers, sets })).samplesPerSecond;
        rates.theirs[way] = Number(inPython('ddp', student, way, workers, batch, values.samples, values.epochs));
      }
      rounds.push(rates);
    }
    const middle = (of: (round: (typeof rounds)[number]) => number): number =>
      Number(median(rounds.map(of)).toPrecision(3));
    process.stdout.write(
      `${JSON.stringify({
        what: 'samples/s, 2 workers',
        student,
        batch,
        micro,
        pytorchMicro: batch / workers,
        ours: { live: middle(({ ours }) => ours.live), kept: middle(({ ours }) => ours.kept) },
        pytorch: { live: middle(({ theirs }) => theirs.live), kept: middle(({ theirs }) => theirs.kept) },
        liveToLive: middle(({ ours, theirs }) => ours.live / theirs.live),
        keptToLive: middle(({ ours, theirs }) => ours.kept / theirs.live),
        keptToKept: middle(({ ours, theirs }) => ours.kept / theirs.kept),
      })}\n`,
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
