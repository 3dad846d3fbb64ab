/**
 * Runs where the native backend is installed: `stillhouse backend install cpu`, then STILLHOUSE_BACKEND=native npm
 * test.
 */
import type { Tensor, Tensor4D, Variable } from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend, TensorFlow } from '../../worker/compute/backends/backend.js';
import { openBackend } from '../../worker/compute/open/backend-choice.js';
import { tryBackend } from '../../worker/compute/open/backend-trial.js';
import { cacheFolder } from '../../shared/cache-folder.js';

let backend: Backend;
let tf: TensorFlow;
beforeAll(async () => {
  backend = await openBackend('native', { threads: 1, gpuDemanded: false });
  tf = await backend.openTensorFlow();
});
afterAll(() => tf.disposeVariables());

/** A student with each kind of layer whose gradient differs between backends. */
function build(): (x: Tensor) => Tensor {
  const init = (seed: number): { kernelInitializer: ReturnType<TensorFlow['initializers']['heNormal']> } => ({
    kernelInitializer: tf.initializers.heNormal({ seed }),
  });
  const model = tf.sequential({
    layers: [
      tf.layers.conv2d({
        inputShape: [9, 9, 2],
        filters: 4,
        kernelSize: 3,
        strides: 2,
        padding: 'same',
        activation: 'relu',
        ...init(1),
      }),
      tf.layers.depthwiseConv2d({
        kernelSize: 3,
        padding: 'same',
        activation: 'relu',
        depthwiseInitializer: tf.initializers.heNormal({ seed: 2 }),
      }),
      tf.layers.batchNormalization(),
      tf.layers.maxPooling2d({ poolSize: 2 }),
      tf.layers.flatten(),
      tf.layers.dense({ units: 3, ...init(3) }),
    ],
  });
  return (x) => [model.apply(x, { training: true })].flat()[0] as Tensor;
}

/** Every gradient of one loss, by name. */
function gradients(apply: (x: Tensor) => Tensor): Map<string, number[]> {
  const trainable = Object.values(tf.engine().registeredVariables).filter((variable: Variable) => variable.trainable);
  return new Map(
    Object.entries(
      tf.tidy(() => {
        const x = tf.tensor4d(
          Float32Array.from({ length: 5 * 162 }, (_, i) => Math.sin(i * 1.7)),
          [5, 9, 9, 2],
        );
        const { grads } = tf.variableGrads(
          () => tf.losses.softmaxCrossEntropy(tf.oneHot([0, 1, 2, 1, 0], 3), apply(x)).asScalar(),
          trainable,
        );
        return Object.fromEntries(Object.entries(grads).map(([name, gradient]) => [name, [...gradient.dataSync()]]));
      }),
    ),
  );
}

describe('the native backend', () => {
  it('computes by TensorFlow on the tfjs of this program', async () => {
    const { engine } = await import('@tensorflow/tfjs');
    expect([backend.name, tf.getBackend(), tf.engine() === engine()]).toEqual(['native', 'tensorflow', true]);
    expect(backend.version).toMatch(/^tensorflow 2\.21\.0, (cpu|cuda), tfjs 4\.22\.0$/);
  });

  it('gives the same bits for the same work', () => {
    const apply = build();
    expect(gradients(apply)).toEqual(gradients(apply));
    tf.disposeVariables();
  });

  it('gives the gradients of the tfjs cpu backend', async () => {
    const native = gradients(build());
    tf.disposeVariables();
    await tf.setBackend('cpu');
    const reference = [...gradients(build()).values()];
    tf.disposeVariables();
    await tf.setBackend('tensorflow');
    expect(native.size).toBe(reference.length);
    [...native.values()].forEach((gradient, i) =>
      gradient.forEach((value, j) => expect(value).toBeCloseTo(reference[i]?.[j] ?? NaN, 5)),
    );
  });

  it("takes ReLU's gradient to be that of its composition, zero included", () => {
    const [x, dy] = [tf.tensor1d([-2, -1e-30, -0, 0, 1e-30, 3.5]), tf.tensor1d([1, 2, 3, 4, 5, -6])];
    const own = tf
      .grad((at: Tensor) => tf.relu(at))(x, dy)
      .dataSync();
    const composed = tf.mul(dy, tf.step(x)).dataSync();
    expect([...own].map((value) => value + 0)).toEqual([...composed].map((value) => value + 0));
    expect([...own].slice(4)).toEqual([5, -6]);
  });

  it('leaves no tensor behind in its own kernels', () => {
    const image = tf.ones([1, 4, 4, 1]);
    const work = (): unknown =>
      tf.tidy(() =>
        tf
          .grad((at: Tensor) => tf.maxPool(tf.relu(at) as Tensor4D, 2, 2, 'valid'))(image)
          .dataSync(),
      );
    work();
    const before = tf.memory().numTensors;
    work();
    expect(tf.memory().numTensors).toBe(before);
    image.dispose();
  });

  it.each([
    ['even', [2, 6, 4, 3], 2, 2],
    ['even with ties', [1, 4, 4, 2], 2, 2],
    ['odd rows of', [2, 5, 6, 3], 2, 2],
    ['odd columns of', [2, 6, 5, 3], 2, 2],
    ['overlapping', [2, 6, 6, 2], 3, 2],
  ] as const)(
    "gives max pooling's gradient of %s windows to the first largest element",
    async (kind, shape, size, stride) => {
      const values = Float32Array.from({ length: shape.reduce<number>((a, b) => a * b, 1) }, (_, i) =>
        kind.endsWith('ties') ? i % 2 : Math.sin(i * 12.9898) * 10,
      );
      const pooled = (): number[] =>
        tf.tidy(() => {
          const x = tf.tensor4d(values, [...shape]);
          const dy = tf.maxPool(x, size, stride, 'same');
          const weights = tf.tensor(
            Float32Array.from({ length: dy.size }, (_, i) => i + 1),
            dy.shape,
          );
          return [
            ...tf
              .grad((at: Tensor) => tf.maxPool(at as Tensor4D, size, stride, 'same'))(x, weights)
              .dataSync(),
          ];
        });
      const native = pooled();
      await tf.setBackend('cpu');
      const reference = pooled();
      await tf.setBackend('tensorflow');
      expect(native.map((value) => value + 0)).toEqual(reference.map((value) => value + 0));
    },
  );

  it('is found working by the trial', async () => {
    expect(await tryBackend('cpu', cacheFolder())).toMatchObject({ works: true, gpu: null });
  });

  it('ends with 79 when a GPU is demanded and there is none', async () => {
    await expect(openBackend('native', { threads: 1, gpuDemanded: true })).rejects.toMatchObject({ exitCode: 79 });
  });
});
