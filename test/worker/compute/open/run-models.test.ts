/** Whole runs in one process: files, shards, teachers and students are real, on the wasm backend, over loopback. */
import { describe, expect, it } from 'vitest';
import { openWasm } from '../../../../worker/compute/backends/wasm/wasm.js';
import { curve, prepared, whole } from '../../runs/real-runs.js';

describe('run models', () => {
  it.each([
    ['an mlp with dropout', { builtin: 'mlp', hidden: [16], dropout: 0.3 }],
    ['a cnn with batch norm and dropout', { model: 'deep/model.json' }],
  ])(
    'train %s to the same bits with one worker, with three, and with cut connections',
    async (_case, student) => {
      const run = await prepared(student);
      const one = await whole(run, 1);
      const three = await whole(run, 3);
      expect(three.summary.digest).toBe(one.summary.digest);
      expect(curve(three.lines)).toEqual(curve(one.lines));
      const cut = await whole(run, 2, { cut: true });
      expect(curve(cut.lines)).toEqual(curve(one.lines));
      const losses = one.lines.flatMap((line) =>
        line.type === 'commit' ? [(line.loss.crossEntropy ?? 0) / (line.counts.crossEntropy ?? 1)] : [],
      );
      expect(losses.at(-1)).toBeLessThan(losses[0] ?? 0);
      expect(one.summary.student.accuracy).toBeGreaterThan(0.3);
      expect(one.summary.teachers.map(({ name }) => name)).toEqual(['wide', 'deep']);
    },
    60_000,
  );

  it('leave no tensors behind', async () => {
    const run = await prepared({ builtin: 'mlp', hidden: [8] });
    const { tf } = await openWasm();
    const before = tf.memory().numTensors;
    await whole(run, 2);
    expect(tf.memory().numTensors).toBe(before);
  });
});
