/** Operators with the settings and shapes that exports use, for tests of their gradients. */
import type { Attribute, OnnxNode } from '../../../../../worker/compute/onnx/graph.js';

export interface Case {
  readonly title: string;
  readonly node: Pick<OnnxNode, 'op'> & Partial<OnnxNode>;
  /** Shapes of the inputs that have a gradient, in the operator's order, before all others. */
  readonly inputs: readonly (readonly number[])[];
  /** What the numbers of those inputs are put through; absent: uniform in [-1, 1). */
  readonly value?: (uniform: number, index: number) => number;
  /** Further inputs: a list of int64, integers or bools of a shape, float32 alone or in a list, or none. */
  readonly others?: readonly (
    | readonly number[]
    | { readonly bool: readonly number[]; readonly shape: readonly number[] }
    | { readonly integers: readonly number[]; readonly shape: readonly number[] }
    | { readonly float: number }
    | { readonly floats: readonly number[] }
    | null
  )[];
  /** How many outputs it has, and the first of which are seeded; absent: 1. */
  readonly outputs?: number;
}

const made = (
  op: string,
  inputs: readonly (readonly number[])[],
  attributes: Readonly<Record<string, Attribute>> = {},
  more: Partial<Case> & { readonly note?: string } = {},
): Case => {
  const { note = '', ...rest } = more;
  const settings = Object.entries(attributes).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
  return {
    title: [op, inputs.map((shape) => `[${shape.join()}]`).join(' '), ...settings, note]
      .filter((x) => x !== '')
      .join(' '),
    node: { op, attributes },
    inputs,
    ...rest,
  };
};

const positive = (u: number): number => 1.5 + u;
/** Away from the bends of piecewise functions at 0, so that a slope is one. */
const offZero = (u: number): number => u + Math.sign(u) * 0.1;
/** No two of them equal, so that a largest one stays the largest: neighbours are 0.05 apart. */
const distinct = (_: number, i: number): number => ((i * 37) % 101) / 20 - 2.51;
const float = (value: number): Attribute => ({ float: value });

const functions: readonly Case[] = [
  ...['Identity', 'Neg', 'Exp', 'Sin', 'Cos', 'Erf', 'Tanh', 'Sigmoid', 'Softplus', 'Softsign', 'Mish'].map((op) =>
    made(op, [[3, 4]]),
  ),
  ...['Sqrt', 'Reciprocal', 'Log'].map((op) => made(op, [[3, 4]], {}, { value: positive })),
  ...['Abs', 'Relu', 'LeakyRelu', 'Elu', 'Selu'].map((op) => made(op, [[3, 5]], {}, { value: offZero })),
  made('LeakyRelu', [[3, 5]], { alpha: float(0.3) }, { value: offZero }),
  made('Elu', [[3, 5]], { alpha: float(2) }, { value: offZero }),
  made('Gelu', [[3, 5]], {}, { value: (u) => 3 * u, note: 'erf' }),
  made('Gelu', [[3, 5]], { approximate: 'tanh' }, { value: (u) => 3 * u }),
  made('HardSigmoid', [[3, 5]], {}, { value: (u) => 4 * u }),
  made('HardSigmoid', [[3, 5]], { alpha: float(1 / 6) }, { value: (u) => 5 * u }),
  made('HardSwish', [[3, 7]], {}, { value: (u) => 5 * u }),
  made('Clip', [[3, 7]], {}, { others: [{ float: -0.5 }, { float: 0.5 }] }),
  made('Clip', [[3, 7]], {}, { others: [{ float: 0 }], note: 'from below' }),
  made('Clip', [[3, 7]], {}, { others: [null, { float: 0.2 }], value: distinct, note: 'from above' }),
];

const shapesOfTwo: readonly (readonly (readonly number[])[])[] = [
  [
    [2, 3, 4],
    [2, 3, 4],
  ],
  [[2, 3, 4], [4]],
  [
    [2, 3, 4],
    [3, 1],
  ],
  [[3], [2, 1, 3]],
  [[2, 3], []],
  [
    [1, 1],
    [2, 3],
  ],
];

const arithmetic: readonly Case[] = [
  ...['Add', 'Sub', 'Mul', 'Div', 'Pow'].flatMap((op) =>
    shapesOfTwo.map((inputs) => made(op, inputs, {}, { value: positive })),
  ),
  made('Pow', [[3, 4]], {}, { others: [{ float: 2 }], note: '^2' }),
  made('Pow', [[3, 4]], {}, { others: [{ float: 3 }], note: '^3' }),
  made('Pow', [[3, 4]], {}, { others: [{ float: 0.5 }], value: positive, note: '^0.5' }),
  ...['Max', 'Min'].map((op) => made(op, [[3, 4], [4], [3, 1]], {}, { value: (u) => 4 * u })),
  ...['Sum', 'Mean'].map((op) => made(op, [[3, 4], [4], [3, 1]])),
];

const matrices: readonly Case[] = [
  made('MatMul', [
    [3, 4],
    [4, 5],
  ]),
  made('MatMul', [
    [2, 3, 4],
    [4, 5],
  ]),
  made('MatMul', [
    [2, 3, 4],
    [2, 4, 5],
  ]),
  made('MatMul', [
    [2, 1, 3, 4],
    [6, 4, 5],
  ]),
  made('MatMul', [[4], [4, 5]]),
  made('MatMul', [[2, 3, 4], [4]]),
  made('MatMul', [[4], [4]]),
  ...[0, 1].flatMap((transA) =>
    [0, 1].map((transB) =>
      made('Gemm', [transA === 0 ? [3, 4] : [4, 3], transB === 0 ? [4, 5] : [5, 4], [5]], {
        transA,
        transB,
        alpha: float(0.5),
        beta: float(2),
      }),
    ),
  ),
  made('Gemm', [
    [3, 4],
    [4, 5],
  ]),
  made('Gemm', [
    [3, 4],
    [4, 5],
    [3, 1],
  ]),
  made('Gemm', [[3, 4], [4, 5], []]),
];

const shapes: readonly Case[] = [
  made('Reshape', [[2, 3, 4]], {}, { others: [[0, -1]] }),
  made('Flatten', [[2, 3, 4]], { axis: 1 }),
  made('Squeeze', [[2, 1, 3]], {}, { others: [[1]] }),
  made('Unsqueeze', [[2, 3]], {}, { others: [[0, 3]] }),
  made('Transpose', [[2, 3, 4]], { perm: [2, 0, 1] }),
  made('Transpose', [[2, 3, 4]]),
  made(
    'Concat',
    [
      [2, 3],
      [2, 1],
      [2, 4],
    ],
    { axis: -1 },
  ),
  made('Split', [[2, 6]], { axis: 1 }, { others: [[1, 2, 3]], outputs: 3 }),
  made('Slice', [[4, 7]], {}, { others: [[1], [-1], [1]] }),
  made(
    'Slice',
    [[4, 7]],
    {},
    {
      others: [
        [0, 1],
        [2 ** 31, 7],
        [0, 1],
        [2, 3],
      ],
    },
  ),
  made('Slice', [[4, 7]], {}, { others: [[-1], [-(2 ** 31)], [1], [-1]], note: 'backwards' }),
  made('Slice', [[4, 7]], {}, { others: [[5], [0], [1], [-2]], note: 'backwards by 2' }),
  made('Pad', [[2, 3]], {}, { others: [[0, 1, 2, 0]] }),
  made('Pad', [[2, 5]], {}, { others: [[0, -1, 0, 2]], note: 'cuts' }),
  made('Pad', [[2, 3, 4]], {}, { others: [[1, 2], null, [2]], note: 'one axis' }),
  made('Expand', [[3, 1]], {}, { others: [[2, 3, 4]] }),
  made('Tile', [[2, 3]], {}, { others: [[2, 2]] }),
];

const reductions: readonly Case[] = [
  ...['ReduceSum', 'ReduceMean', 'ReduceSumSquare', 'ReduceL2'].flatMap((op) => [
    made(op, [[2, 3, 4]], {}, { others: [[1]] }),
    made(op, [[2, 3, 4]], { keepdims: 0 }, { others: [[0, -1]] }),
    made(op, [[2, 3]]),
  ]),
  made('ReduceL1', [[2, 3, 4]], {}, { others: [[1]], value: offZero }),
  ...['ReduceMax', 'ReduceMin'].map((op) => made(op, [[2, 3, 4]], { keepdims: 0 }, { others: [[2]], value: distinct })),
  ...['Softmax', 'LogSoftmax'].flatMap((op) => [made(op, [[3, 5]]), made(op, [[2, 3, 4]], { axis: 1 })]),
];

const convolutions: readonly Case[] = [
  made('Conv', [[2, 1, 6, 6], [3, 1, 3, 3], [3]], { pads: [1, 1, 1, 1] }, { note: 'narrow' }),
  made('Conv', [[2, 3, 7, 6], [4, 3, 3, 3], [4]], { pads: [1, 1, 1, 1], strides: [2, 2] }, { note: 'narrow' }),
  made(
    'Conv',
    [
      [2, 3, 9, 9],
      [4, 3, 3, 3],
    ],
    { pads: [2, 2, 2, 2], dilations: [2, 2] },
  ),
  made(
    'Conv',
    [
      [2, 3, 9, 9],
      [4, 3, 4, 4],
    ],
    { strides: [4, 4] },
    { note: 'patches, places left over' },
  ),
  made('Conv', [[2, 4, 6, 6], [8, 4, 3, 3], [8]], { pads: [1, 1, 1, 1] }),
  made(
    'Conv',
    [
      [2, 4, 7, 6],
      [8, 4, 3, 3],
    ],
    { pads: [1, 0, 1, 1], strides: [2, 2] },
  ),
  made(
    'Conv',
    [
      [2, 4, 9, 9],
      [8, 4, 3, 3],
    ],
    { pads: [2, 2, 2, 2], dilations: [2, 2] },
  ),
  made('Conv', [
    [2, 4, 6, 6],
    [8, 4, 1, 1],
  ]),
  made(
    'Conv',
    [
      [2, 4, 6, 6],
      [8, 4, 1, 1],
    ],
    { strides: [2, 2] },
  ),
  made('Conv', [[2, 4, 5, 5], [8, 2, 3, 3], [8]], { group: 2, pads: [1, 1, 1, 1] }),
  made('Conv', [[2, 4, 5, 5], [4, 1, 3, 3], [4]], { group: 4, pads: [1, 1, 1, 1], strides: [2, 2] }),
  made(
    'Conv',
    [
      [2, 4, 5, 5],
      [8, 1, 3, 3],
    ],
    { group: 4, pads: [1, 1, 1, 1] },
  ),
  made('Conv', [[2, 4, 7], [6, 4, 3], [6]], { pads: [1, 1], strides: [2] }),
  made(
    'Conv',
    [
      [2, 4, 7, 6],
      [5, 4, 3, 3],
    ],
    { auto_pad: 'SAME_UPPER', strides: [2, 2] },
  ),
  made(
    'Conv',
    [
      [2, 2, 4, 5, 4],
      [3, 2, 3, 3, 3],
    ],
    { pads: [1, 1, 1, 1, 1, 1] },
  ),
];

const pools: readonly Case[] = [
  made('MaxPool', [[1, 2, 6, 6]], { kernel_shape: [2, 2], strides: [2, 2] }, { value: distinct }),
  made('MaxPool', [[1, 2, 7, 5]], { kernel_shape: [2, 2], strides: [2, 2] }, { value: distinct }),
  made('MaxPool', [[1, 2, 7, 7]], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }, { value: distinct }),
  made('MaxPool', [[1, 2, 9]], { kernel_shape: [3], strides: [1] }, { value: distinct }),
  made('MaxPool', [[1, 1, 7, 7]], { kernel_shape: [2, 2], strides: [1, 1], dilations: [2, 2] }, { value: distinct }),
  made('AveragePool', [[1, 2, 6, 6]], { kernel_shape: [2, 2], strides: [2, 2] }),
  made('AveragePool', [[1, 2, 7, 7]], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }),
  made('AveragePool', [[1, 2, 7, 7]], {
    kernel_shape: [3, 3],
    strides: [2, 2],
    pads: [1, 1, 1, 1],
    count_include_pad: 1,
  }),
  made('GlobalAveragePool', [[2, 3, 4, 5]]),
  made('GlobalMaxPool', [[1, 3, 4, 5]], {}, { value: distinct }),
];

const normalisations: readonly Case[] = [
  made(
    'BatchNormalization',
    [[4, 3, 5, 5], [3], [3]],
    {},
    { others: [{ floats: [0.1, -0.2, 0.3] }, { floats: [1, 2, 0.5] }], note: 'by given moments' },
  ),
  made('LayerNormalization', [[2, 3, 8], [8], [8]], { epsilon: float(1e-3) }),
  made(
    'LayerNormalization',
    [
      [2, 3, 8],
      [3, 8],
    ],
    { axis: 1 },
  ),
  made('InstanceNormalization', [[2, 3, 4, 4], [3], [3]], { epsilon: float(1e-3) }),
];

const choices: readonly Case[] = [
  made('Gather', [[5, 3]], {}, { others: [{ integers: [0, 2, 2, -1, 4, 2], shape: [2, 3] }] }),
  made('Gather', [[2, 5, 3]], { axis: 1 }, { others: [{ integers: [1, 1, 3], shape: [3] }] }),
  made('Gather', [[2, 5, 3]], { axis: 1 }, { others: [{ integers: [0], shape: [] }], note: 'one' }),
];

export const cases: readonly Case[] = [
  ...functions,
  ...arithmetic,
  ...matrices,
  ...shapes,
  ...reductions,
  ...convolutions,
  ...pools,
  ...normalisations,
  ...choices,
];
