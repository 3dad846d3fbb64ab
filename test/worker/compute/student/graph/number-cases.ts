/** Operators on numbers by themselves, in pairs, in sums and in products. */
import { distinct, float, made, offZero, positive, type Case } from './case.js';

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

  made('Celu', [[3, 5]], { alpha: float(1.5) }, { value: offZero }),
  ...['Tan', 'Atan'].map((op) => made(op, [[3, 4]])),
  made('Swish', [[3, 5]], { alpha: float(1.5) }, { value: (u) => 3 * u, operatorSet: 24 }),
  made(
    'PRelu',
    [
      [2, 3, 4],
      [3, 1],
    ],
    {},
    { value: offZero },
  ),
  made('PRelu', [[2, 3, 4], [1]], {}, { value: offZero }),
  ...['Gelu', 'BiasGelu', 'FastGelu', 'QuickGelu'].map((op) =>
    made(op, op === 'BiasGelu' ? [[3, 5], [5]] : [[3, 5]], {}, { domain: 'com.microsoft', value: (u) => 3 * u }),
  ),
  made('FastGelu', [[3, 5], [5]], {}, { domain: 'com.microsoft', value: (u) => 3 * u }),
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

  ...[0, 1].flatMap((transA) =>
    [0, 1].map((transB) =>
      made(
        'FusedMatMul',
        [transA === 0 ? [2, 3, 4] : [2, 4, 3], transB === 0 ? [4, 5] : [5, 4]],
        { transA, transB, alpha: float(0.5) },
        { domain: 'com.microsoft' },
      ),
    ),
  ),
  made(
    'Einsum',
    [
      [3, 4],
      [4, 5],
    ],
    { equation: 'ij,jk->ik' },
  ),
  made(
    'Einsum',
    [
      [2, 3, 4, 5],
      [2, 3, 6, 5],
    ],
    { equation: 'bhid, bhjd -> bhij' },
  ),
  made(
    'Einsum',
    [
      [2, 3, 4],
      [3, 5],
    ],
    { equation: 'bij,ik->kb' },
    { note: 'a sum' },
  ),
  made('Einsum', [[2, 3, 4]], { equation: 'ijk->kji' }),
  made('Einsum', [[2, 3, 4]], { equation: 'ijk->j' }),
  made(
    'Einsum',
    [
      [3, 4],
      [4, 2],
    ],
    { equation: 'kj,ji' },
  ),
  made(
    'Einsum',
    [
      [1, 5, 3, 4],
      [2, 5, 4, 6],
    ],
    { equation: '...ij,...jk->...ik' },
  ),
  made('Einsum', [[3, 4], [4, 5], [5]], { equation: 'ij,jk,k->i' }),
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

  made('ReduceLogSum', [[2, 3, 4]], {}, { others: [[1]], value: positive }),
  made('ReduceLogSumExp', [[2, 3, 4]], { keepdims: 0 }, { others: [[0, 2]] }),
  made('ReduceProd', [[2, 3, 4]], {}, { others: [[2]] }),
  made('ReduceProd', [[2, 2, 2]], { keepdims: 0 }, { others: [[1]], value: (u, i) => (i < 3 ? 0 : u), note: 'zeros' }),
  ...[0, 1].flatMap((reverse) =>
    [0, 1].map((exclusive) =>
      made('CumSum', [[2, 5]], { reverse, exclusive }, { others: [{ integers: [1], shape: [] }] }),
    ),
  ),
];

export const numberCases: readonly Case[] = [...functions, ...arithmetic, ...matrices, ...reductions];
