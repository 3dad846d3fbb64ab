/** Which engine a run's preparation chooses for its student, and what it says where that is not the compiled one. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { chooseEngine } from '../../../cli/prepare/engine.js';
import { inspectStudent } from '../../../cli/prepare/student.js';
import { describeEngines } from '../../../coordinator/plan/run-engines.js';
import type { StudentSpec } from '../../../shared/models/student-spec.js';
import { recipeSchema, type Recipe } from '../../../shared/recipe/schema.js';
import { floats } from '../../../worker/compute/onnx/graph.js';
import { writeOnnx } from '../../../worker/compute/onnx/write.js';
import { openWasm } from '../../../worker/compute/backends/wasm/wasm.js';
import { temporaryFolder } from '../../worker/fakes.js';
import { saveLayersModel } from '../../worker/compute/teachers/fixtures.js';

const inputShape = [4, 2];

function recipeOf(numerics: Record<string, unknown>): Recipe {
  return recipeSchema.parse({
    student: { builtin: 'mlp' },
    losses: { crossEntropy: { weight: 1 } },
    data: { train: { format: 'npy', inputs: 'a.npy', labels: 'b.npy' } },
    optimizer: { name: 'sgd', learningRate: 0.1 },
    batch: { size: 8 },
    epochs: 1,
    numerics,
  });
}

async function specOf(student: Recipe['student'], folder = '.'): Promise<StudentSpec> {
  const expected = { inputShape, task: 'classes', classes: 3, preprocess: null } as const;
  return (await inspectStudent(student, expected, { folder, seed: 1 })).spec;
}

/** Layers after an input of two numbers at each of four places. */
async function layersOf(layers: tf.layers.Layer[]): Promise<StudentSpec> {
  await openWasm();
  const all = [...layers, tf.layers.flatten(), tf.layers.dense({ units: 3 })];
  return specOf({ model: await saveLayersModel(tf.sequential({ layers: all }), temporaryFolder()) });
}

const mlp = (): Promise<StudentSpec> => specOf({ builtin: 'mlp', hidden: [4] });
const masked = (): Promise<StudentSpec> => layersOf([tf.layers.masking({ name: 'padded', inputShape })]);
const recurrent = (): Promise<StudentSpec> =>
  layersOf([tf.layers.lstm({ name: 'memory', units: 2, returnSequences: true, inputShape })]);

describe('the engine of a student', () => {
  it.each(['auto', 'onnx'])('is the compiled one with backend %s', async (backend) => {
    expect(await chooseEngine(recipeOf({ backend }), await mlp())).toEqual({ engine: 'onnx', reason: null });
  });

  it.each(['wasm', 'native'])('is TensorFlow.js with backend %s, which is the reason', async (backend) => {
    expect(await chooseEngine(recipeOf({ backend, threads: 2 }), await mlp())).toEqual({
      engine: 'tfjs',
      reason: `numerics.backend is ${backend}`,
    });
  });

  it.each([
    ['masks', masked, /^student layer padded \(Masking\): masks are not compiled$/],
    ['a recurrent layer', recurrent, /^student layer memory \(LSTM\): recurrent layers are not compiled$/],
  ])('is TensorFlow.js for %s, and the layer is the reason', async (_what, spec, reason) => {
    const chosen = await chooseEngine(recipeOf({ threads: 2 }), await spec());
    expect(chosen).toEqual({ engine: 'tfjs', reason: expect.stringMatching(reason) as string });
    await expect(chooseEngine(recipeOf({ backend: 'onnx' }), await spec())).rejects.toMatchObject({
      exitCode: 65,
      message: `numerics.backend: onnx given, but ${chosen.reason ?? ''}; auto, wasm or native wanted`,
    });
  });

  it.each(['auto', 'onnx'])('is refused several threads with backend %s where it is compiled', async (backend) => {
    await expect(chooseEngine(recipeOf({ backend, threads: 2 }), await mlp())).rejects.toMatchObject({
      exitCode: 2,
      message:
        'numerics.threads: 2 given; a compiled student is computed by one thread of each worker: 1 and more workers wanted, or numerics.backend: native',
    });
  });

  it('is tried: a gradient that cannot be written is told before the run', async () => {
    const folder = temporaryFolder();
    const file = writeOnnx({
      operatorSets: new Map([['', 17]]),
      graph: {
        nodes: [
          { op: 'MatMul', name: 'square', inputs: ['x', 'w'], outputs: ['s'], attributes: {} },
          { op: 'Einsum', name: 'trace', inputs: ['s'], outputs: ['y'], attributes: { equation: 'bii->bi' } },
        ],
        inputs: [{ name: 'x', type: 'float32', shape: ['n', 3, 2] }],
        outputs: [{ name: 'y', type: 'float32', shape: ['n', 3] }],
        constants: [floats('w', [2, 3], new Float32Array(6).fill(0.5))],
      },
    });
    writeFileSync(join(folder, 'net.onnx'), file);
    const expected = { inputShape: [3, 2], task: 'classes', classes: 3, preprocess: null } as const;
    const { spec } = await inspectStudent({ model: 'net.onnx' }, expected, { folder, seed: 1 });
    await expect(chooseEngine(recipeOf({}), spec)).rejects.toMatchObject({
      exitCode: 65,
      message: 'student: node trace (Einsum): no gradient of an Einsum of bii->bi, which takes a diagonal',
    });
  });
});

describe('describeEngines', () => {
  it('says what computes the student, and which teachers are not in ONNX Runtime', () => {
    expect(describeEngines({ student: 'onnx' })).toEqual(['student: compiled, computed as ONNX graphs by onnxruntime']);
    expect(describeEngines({ student: 'tfjs', reason: 'masks', teachers: { big: 'node a' } })).toEqual([
      'student: not compiled, computed by TensorFlow.js: masks',
      'teacher big: not in ONNX Runtime: node a',
    ]);
  });
});
