/** A teacher of which a part runs on the CPU although a GPU was demanded. ONNX Runtime's sessions are as on a GPU worker. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import { describe, expect, it, vi } from 'vitest';
import { UserError } from '../../../../shared/errors.js';
import { blaming } from '../../../../worker/compute/teachers/failure.js';
import { onnxFormat } from '../../../../worker/compute/teachers/formats/onnx.js';
import { noTensorFlow, reference, referenceFolder } from './fixtures.js';

vi.mock(import('../../../../worker/compute/backends/onnxruntime/sessions.js'), async (load) => {
  const { watched, ...others } = await load();
  return {
    ...others,
    watched,
    createSession: (model, what) => {
      const refuse = (text: string): void => {
        throw new UserError(`a GPU was demanded: ${what}: ${text}`, 79);
      };
      return watched((profiling) => InferenceSession.create(readable(model), profiling), refuse);
    },
  };
});

function readable(model: Uint8Array | string): Uint8Array {
  return typeof model === 'string' ? readFileSync(model) : model;
}

describe('a teacher that the GPU cannot compute as it was demanded', () => {
  it('ends its worker with 79 and the nodes, and is no failing teacher', async () => {
    const path = join(referenceFolder, 'tiny.onnx');
    const teacher = await onnxFormat.open(
      { name: 'deep', format: 'onnx', paths: new Map([['tiny.onnx', path]]) },
      noTensorFlow,
    );
    const [height = 1, width = 1, channels = 1] = reference.shape;
    const rows = reference.inputs.length / (height * width * channels);
    const shape = [rows, channels, height, width];
    await expect(
      blaming({ name: 'deep', isServed: false }, () =>
        teacher.forward([{ values: Float32Array.from(reference.inputs), shape }]),
      ),
    ).rejects.toMatchObject({
      exitCode: 79,
      message: expect.stringMatching(/^a GPU was demanded: teacher deep: \d+ of \d+ nodes run on the CPU, .*Conv \(\d/),
    });
    await teacher.dispose();
  });
});
