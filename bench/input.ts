/**
 * How fast samples come from where they lie: JPEG images cut into shards from a folder and from a WebDataset archive, pixels
 * cut from an array, shards read as a worker reads them, and the same archive read by the Python package webdataset
 * (bench/input.py), one after the other in each round. PYTHON is one with webdataset, numpy and Pillow.
 *
 *   node dist/bench/input.js PYTHON [--images 2000] [--size 224] [--rounds 5]
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { writeShards } from '../cli/prepare/shards.js';
import { epochOrder } from '../shared/data/sampler.js';
import { Samples } from '../shared/data/samples.js';
import { sourceSchema } from '../shared/recipe/data-schema.js';
import { median } from './programs.js';
import { withPythonOf } from './with-python.js';

const script = fileURLToPath(new URL('../../bench/input.py', import.meta.url));
const { values, python } = withPythonOf('webdataset, numpy and Pillow', {
  images: { type: 'string', default: '2000' },
  size: { type: 'string', default: '224' },
  rounds: { type: 'string', default: '5' },
});
const [images, size] = [Number(values.images), Number(values.size)];

function inPython(...args: readonly (string | number)[]): string {
  return execFileSync(python, [script, ...args.map(String)], { encoding: 'utf8' });
}

async function ratePerSec(work: () => Promise<unknown>): Promise<number> {
  const beganMs = performance.now();
  await work();
  return (images * 1000) / (performance.now() - beganMs);
}

/** Reads and cuts a source. */
async function cut(folder: string, recipe: object): Promise<{ rate: number; samples: Samples; order: number[] }> {
  const out = mkdtempSync(join(folder, 'shards-'));
  let samples: Samples | undefined;
  let order: number[] = [];
  const rate = await ratePerSec(async () => {
    const { dataSet } = await writeShards(sourceSchema.parse(recipe), folder, out, { shardSamples: 4096 });
    samples = new Samples(dataSet, null, async (sha256) => join(out, sha256));
    const { at } = epochOrder(dataSet, 0, { seed: 1, shuffle: true });
    order = Array.from({ length: images }, (_, position) => at(position));
  });
  if (samples === undefined) throw new Error('nothing was cut');
  return { rate, samples, order };
}

const batch = 64;

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-bench-'));
try {
  inPython('make', folder, images, size);
  const rounds: Readonly<Record<string, number>>[] = [];
  for (let round = 0; round < Number(values.rounds); round++) {
    const archive = await cut(folder, { format: 'webdataset', inputs: 'images.tar', labels: 'cls' });
    const fromFolder = await cut(folder, { format: 'folder', images: 'images' });
    const array = await cut(folder, { format: 'npy', images: 'pixels.npy' });
    const shards = await ratePerSec(async () => {
      for (let at = 0; at < images; at += batch)
        await archive.samples.gather(Uint32Array.from(archive.order.slice(at, at + batch)));
    });
    const theirs = Number(inPython('webdataset', folder, images));
    rounds.push({
      'JPEG of an archive': archive.rate,
      'JPEG of a folder': fromFolder.rate,
      'an array': array.rate,
      'shards, as a worker reads them': shards,
      'webdataset (Python), one process': theirs,
      'ratio of the archive to webdataset': archive.rate / theirs,
      'ratio of the folder to the array': fromFolder.rate / array.rate,
    });
  }
  process.stdout.write(`${images} JPEG images of ${size} x ${size}, medians of ${rounds.length} rounds, samples/s\n`);
  for (const name of Object.keys(rounds[0] ?? {}))
    process.stdout.write(`${name}: ${Number(median(rounds.map((round) => round[name] ?? NaN)).toPrecision(3))}\n`);
} finally {
  rmSync(folder, { recursive: true });
}
