/** Every kernel that is added to the wasm backend, held against the tfjs cpu backend. */
import type { Rank, Tensor, Tensor4D } from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { normalise } from '../../../../../worker/compute/backends/norm.js';
import { openWasm } from '../../../../../worker/compute/backends/wasm/wasm.js';
import type { TensorFlow } from '../../../../../worker/compute/backends/backend.js';
import { randomStream } from '../../../../../shared/random.js';

let tf: TensorFlow;
beforeAll(async () => {
  ({ tf } = await openWasm());
});

/** Values in [-1, 1). */
function noise(shape: readonly number[], key: string): Float32Array {
  const stream = randomStream([key, ...shape]);
  return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 2 * stream.float() - 1);
}

async function on(backend: 'wasm' | 'cpu', compute: () => Tensor[]): Promise<{ shape: number[]; values: number[] }[]> {
  await tf.setBackend(backend);
  const before = tf.memory().numTensors;
  const results = tf.tidy(compute);
  const read = results.map((tensor) => ({ shape: tensor.shape, values: [...tensor.dataSync()] }));
  tf.dispose(results);
  expect(tf.memory().numTensors).toBe(before);
  return read;
}

/** Same shapes and values on both backends, and the same bits at every call on wasm. */
async function compare(compute: () => Tensor[]): Promise<void> {
  const expected = await on('cpu', compute);
  const actual = await on('wasm', compute);
  expect(await on('wasm', compute)).toEqual(actual);
  expect(actual.map(({ shape }) => shape)).toEqual(expected.map(({ shape }) => shape));
  actual.forEach(({ values }, i) => {
    const wanted = expected[i]?.values ?? [];
    const largest = Math.max(1, ...wanted.map(Math.abs));
    const error = values.reduce((most, value, k) => Math.max(most, Math.abs(value - (wanted[k] ?? NaN))), 0);
    expect(error / largest).toBeLessThan(1e-5);
  });
}

const sizes: readonly { readonly image: readonly number[]; readonly filter: [number, number] }[] = [
  { image: [1, 1, 1, 1], filter: [1, 1] },
  { image: [2, 5, 5, 3], filter: [3, 3] },
  { image: [3, 7, 6, 2], filter: [3, 2] },
  { image: [2, 8, 9, 4], filter: [5, 5] },
  { image: [1, 6, 6, 5], filter: [2, 4] },
  { image: [2, 9, 4, 1], filter: [1, 1] },
];
const strides: readonly [number, number][] = [
  [1, 1],
  [2, 2],
  [1, 2],
  [3, 2],
];
const pads = ['same', 'valid', 1] as const;

function convolutions(): {
  image: readonly number[];
  filter: [number, number];
  stride: [number, number];
  pad: (typeof pads)[number];
}[] {
  const all = sizes.flatMap(({ image, filter }) =>
    strides.flatMap((stride) => pads.map((pad) => ({ image, filter, stride, pad }))),
  );
  // With a number as padding tfjs takes the height's filter and stride for the width too, and writes past its output.
  const sound = all.filter(
    ({ filter, stride, pad }) => pad !== 1 || (stride[0] === stride[1] && filter[0] === filter[1]),
  );
  return sound.filter(
    ({ image, filter, pad }) => pad !== 'valid' || ((image[1] ?? 0) >= filter[0] && (image[2] ?? 0) >= filter[1]),
  );
}

describe('convolution gradients on wasm', () => {
  it.each(convolutions())(
    'equal the cpu backend for $image, filter $filter, strides $stride, padding $pad',
    async ({ image, filter, stride, pad }) => {
      const [b = 1, h = 1, w = 1, c = 1] = image;
      await compare(() => {
        const x = tf.tensor4d(noise(image, 'x'), [b, h, w, c]);
        const kernel = tf.tensor4d(noise([...filter, c, 4], 'w'), [...filter, c, 4]);
        const y = tf.conv2d(x, kernel, stride, pad);
        return tf.grads((u, v) => tf.conv2d(u.as4D(b, h, w, c), v.as4D(...filter, c, 4), stride, pad))(
          [x, kernel],
          tf.tensor(noise(y.shape, 'dy'), y.shape),
        );
      });
    },
  );

  it.each(convolutions().filter(({ stride: [a, b] }) => a === b))(
    'equal the cpu backend depthwise for $image, filter $filter, strides $stride, padding $pad',
    async ({ image, filter, stride, pad }) => {
      const [b = 1, h = 1, w = 1, c = 1] = image;
      for (const multiplier of [1, 3]) {
        await compare(() => {
          const x = tf.tensor4d(noise(image, 'x'), [b, h, w, c]);
          const kernel = tf.tensor4d(noise([...filter, c, multiplier], 'w'), [...filter, c, multiplier]);
          const y = tf.depthwiseConv2d(x, kernel, stride, pad);
          return tf.grads((u, v) =>
            tf.depthwiseConv2d<Tensor4D>(u.as4D(b, h, w, c), v.as4D(...filter, c, multiplier), stride, pad),
          )([x, kernel], tf.tensor(noise(y.shape, 'dy'), y.shape));
        });
      }
    },
  );

  it.each(convolutions().filter(({ pad }) => pad !== 1))(
    'give transposed convolutions their forward for $image, filter $filter, strides $stride, padding $pad',
    async ({ image, filter, stride, pad }) => {
      const [b = 1, h = 1, w = 1, c = 1] = image;
      await compare(() => {
        const y = tf.conv2d(tf.zeros<Rank.R4>([b, h, w, c]), tf.zeros<Rank.R4>([...filter, c, 4]), stride, pad);
        const kernel = tf.tensor4d(noise([...filter, c, 4], 'w'), [...filter, c, 4]);
        return [
          tf.conv2dTranspose(
            tf.tensor4d(noise(y.shape, 'y'), y.shape),
            kernel,
            [b, h, w, c],
            stride,
            pad === 'same' ? 'same' : 'valid',
          ),
        ];
      });
    },
  );
});

describe('the filter gradient on wasm', () => {
  it.each([
    [4, 8],
    [9, 8],
    [1, 16],
    [3, 10],
    [6, 21],
    [8, 3],
  ])('equals the cpu backend for %d channels in and %d out', async (inputs, outputs) => {
    for (const [stride, pad] of [
      [1, 'same'],
      [2, 'same'],
      [2, 'valid'],
    ] as const) {
      await compare(() => {
        const x = tf.tensor4d(noise([3, 7, 8, inputs], 'x'), [3, 7, 8, inputs]);
        const kernel = tf.tensor4d(noise([3, 2, inputs, outputs], 'w'), [3, 2, inputs, outputs]);
        const y = tf.conv2d(x, kernel, stride, pad);
        return tf.grads((v) => tf.conv2d(x, v.as4D(3, 2, inputs, outputs), stride, pad))(
          [kernel],
          tf.tensor(noise(y.shape, 'dy'), y.shape),
        );
      });
    }
  });
});

describe('batch normalisation on wasm', () => {
  it.each([
    [1, 1],
    [7, 3],
    [5, 4],
    [300, 5],
    [600, 17],
  ])('equals the composition on the cpu backend for %d rows of %d columns', async (rows, columns) => {
    await compare(() => {
      const [x, dy] = ['x', 'dy'].map((key) =>
        tf.tensor(
          noise([rows, columns], key).map((value) => 3 * value + 1),
          [rows, columns],
        ),
      );
      const [gamma, beta] = ['gamma', 'beta'].map((key) => tf.tensor(noise([columns], key), [columns]));
      if (x === undefined || dy === undefined || gamma === undefined || beta === undefined)
        throw new Error('no inputs');
      const statistics: Tensor[] = [];
      const run = (x_NC: Tensor, gamma_C: Tensor, beta_C: Tensor): Tensor =>
        normalise(tf, { x_NC, gamma_C, beta_C, epsilon: 0.1 }, ({ mean_C, variance_C }) =>
          statistics.push(tf.keep(mean_C.clone()), tf.keep(variance_C.clone())),
        );
      const gradients = tf.grads(run)([x, gamma, beta], dy);
      const seen = statistics.splice(0).map((kept) => {
        const copy = tf.mul(kept, 1);
        kept.dispose();
        return copy;
      });
      const y = run(x, gamma, beta);
      tf.dispose(statistics);
      return [y, ...gradients, ...seen];
    });
  });
});

describe('pooling gradients on wasm', () => {
  it.each(convolutions().filter(({ pad }) => pad !== 1))(
    'equal the cpu backend for $image, window $filter, strides $stride, padding $pad',
    async ({ image, filter, stride, pad }) => {
      const [b = 1, h = 1, w = 1, c = 1] = image;
      for (const pool of [tf.maxPool, tf.avgPool]) {
        await compare(() => {
          const x = tf.tensor4d(noise(image, 'x'), [b, h, w, c]);
          const y = pool(x, filter, stride, pad);
          return tf.grads((u) => pool(u.as4D(b, h, w, c), filter, stride, pad))(
            [x],
            tf.tensor(noise(y.shape, 'dy'), y.shape),
          );
        });
      }
    },
  );

  it('give no gradient to a window without numbers', async () => {
    const gradient = (): Tensor[] =>
      tf.grads((u) => tf.maxPool(u.as4D(1, 2, 4, 5), 2, 2, 'valid'))(
        [tf.fill([1, 2, 4, 5], NaN)],
        tf.ones([1, 1, 2, 5]),
      );
    const [dx] = await on('wasm', gradient);
    expect(dx?.values.every((value) => value === 0)).toBe(true);
  });

  it('give the gradient of equal values to the first of them', async () => {
    const gradient = (): Tensor[] =>
      tf.grads((u) => tf.maxPool(u.as4D(1, 4, 4, 2), 2, 2, 'valid'))([tf.zeros([1, 4, 4, 2])], tf.ones([1, 2, 2, 2]));
    await compare(gradient);
    const [dx] = await on('wasm', gradient);
    expect(dx?.values.slice(0, 8)).toEqual([1, 1, 0, 0, 1, 1, 0, 0]);
  });
});

describe('other kernels on wasm', () => {
  it.each([
    [[4, 3], [4, 5], true, false],
    [[3, 4], [5, 4], false, true],
    [[4, 3], [5, 4], true, true],
    [[1, 4, 3], [1, 4, 5], true, false],
    [[2, 4, 3], [2, 4, 5], true, false],
    [[2, 3, 4], [2, 4, 5], false, false],
  ] as const)('multiply %j and %j, transposed %s and %s', (a, b, transposeA, transposeB) =>
    compare(() => [
      tf.matMul(tf.tensor(noise(a, 'a'), [...a]), tf.tensor(noise(b, 'b'), [...b]), transposeA, transposeB),
    ]),
  );

  it.each([
    [[5, 4, 3], 0],
    [
      [5, 4, 3],
      [0, 1],
    ],
    [[5, 4, 3], [1]],
    [
      [5, 4, 3],
      [0, 2],
    ],
    [[5, 4, 3], -1],
    [
      [5, 4, 3],
      [-2, 0],
    ],
    [[7], 0],
    [[0, 3], 0],
    [[600, 9], 0],
    [
      [30, 20, 2, 3],
      [0, 1],
    ],
  ] as const)('sum %j over axes %j', async (shape, axis) => {
    for (const keepDims of [false, true]) {
      await compare(() => [tf.sum(tf.tensor(noise(shape, 'x'), [...shape]), [axis].flat(), keepDims)]);
    }
  });

  it('sum integers and booleans as before', () =>
    compare(() => [
      tf.sum(
        tf.tensor(
          [
            [1, 2],
            [3, 4],
          ],
          [2, 2],
          'int32',
        ),
        0,
      ),
      tf.sum(
        tf.tensor(
          [
            [1, 0],
            [1, 1],
          ],
          [2, 2],
          'bool',
        ),
        0,
      ),
    ]));

  it('add rows by segment, in the gradient of a gather', () =>
    compare(() => {
      const table = tf.tensor2d(noise([6, 3], 'table'), [6, 3]);
      const ids = tf.tensor2d(
        [
          [0, 5, 5],
          [2, 0, 5],
        ],
        [2, 3],
        'int32',
      );
      return tf.grads((u) => tf.gather(u, ids))([table], tf.tensor(noise([2, 3, 3], 'dy'), [2, 3, 3]));
    }));

  it('pass ReLU gradients of a tensor of any size', () =>
    compare(() =>
      [1, 4, 7, 64].flatMap((size) =>
        tf.grads((u) => tf.relu(u))([tf.tensor(noise([size], 'x'), [size])], tf.tensor(noise([size], 'dy'), [size])),
      ),
    ));

  it('pass ReLU gradients where the output is above 0', async () => {
    const [dx] = await on('wasm', () =>
      tf.grads((u) => tf.relu(u))([tf.tensor1d([-1, 0, 2, NaN, 3])], tf.tensor1d([10, 20, 30, 40, 50])),
    );
    expect(dx?.values).toEqual([0, 0, 30, 0, 50]);
  });
});
