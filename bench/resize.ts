/**
 * node dist/bench/resize.js [--rows 32] [--repeats 5]
 *
 * What it costs to bring samples to a teacher's resolution and layout (docs/labels.md): processor time and bytes of one
 * forward's images, the least of some repeats, for each method.
 */
import { parseArgs } from 'node:util';
import { randomStream } from '../shared/random.js';
import { resizeMethods } from '../shared/resize.js';
import { TeacherFeed } from '../worker/compute/teachers/feed.js';

const { values } = parseArgs({
  options: { rows: { type: 'string', default: '32' }, repeats: { type: 'string', default: '5' } },
});
const [rows, repeats] = [Number(values.rows), Number(values.repeats)];
const size = 224;

function costOf(sample: readonly number[], method: (typeof resizeMethods)[number]): { ms: number; bytes: number } {
  const inputs = [{ name: 'images', shape: [3, size, size], integerType: null }];
  const channels = sample.at(-1) === 3 ? {} : { channels: 3 as const };
  const feed = TeacherFeed.of({ layout: 'nchw', ...channels, resize: { to: [size, size], method } }, sample, inputs);
  if (feed === null) throw new Error('the images do not fit');
  const random = randomStream(['resize']);
  const samples = Float32Array.from({ length: rows * sample.reduce((a, b) => a * b, 1) }, () => random.float());
  const runs = Array.from({ length: repeats }, () => {
    const before = process.cpuUsage();
    const [given] = feed.of(samples, rows);
    const { user, system } = process.cpuUsage(before);
    return { ms: (user + system) / 1000, bytes: given?.values.byteLength ?? 0 };
  });
  return runs.reduce((least, run) => (run.ms < least.ms ? run : least));
}

for (const sample of [
  [28, 28, 1],
  [32, 32, 3],
  [256, 256, 3],
]) {
  for (const method of resizeMethods) {
    const { ms, bytes } = costOf(sample, method);
    process.stdout.write(
      `[${sample.join(', ')}] to [${size}, ${size}, 3], ${method}: ${(ms / rows).toFixed(2)} ms of processor time an image, ${(bytes / 1e6).toFixed(1)} MB for ${rows}\n`,
    );
  }
}
