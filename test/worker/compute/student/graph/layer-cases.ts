/** Convolutions, pools and normalisations. */
import type { Attribute } from '../../../../../worker/compute/onnx/graph.js';
import { distinct, float, made, type Case } from './case.js';

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

  made('ConvTranspose', [[2, 4, 5, 4], [4, 3, 3, 3], [3]], { pads: [1, 1, 1, 1] }),
  made('ConvTranspose', [[2, 4, 5, 4], [4, 3, 2, 2], [3]], { strides: [2, 2] }),
  made(
    'ConvTranspose',
    [
      [2, 4, 5, 4],
      [4, 3, 3, 3],
    ],
    { strides: [2, 2], pads: [1, 1, 1, 1], output_padding: [1, 1] },
  ),
  made(
    'ConvTranspose',
    [
      [2, 4, 5, 4],
      [4, 3, 3, 3],
    ],
    { strides: [2, 2], output_padding: [1, 0] },
  ),
  made(
    'ConvTranspose',
    [
      [2, 4, 5, 4],
      [4, 2, 3, 3],
    ],
    { dilations: [2, 2], pads: [2, 2, 2, 2], strides: [2, 1], output_padding: [1, 0] },
  ),
  made('ConvTranspose', [[2, 4, 5, 4], [4, 3, 3, 3], [6]], { group: 2, strides: [2, 2], pads: [0, 1, 1, 0] }),
  made('ConvTranspose', [[2, 4, 5, 4], [4, 1, 4, 4], [4]], { group: 4, strides: [2, 2], pads: [1, 1, 1, 1] }),
  made('ConvTranspose', [[2, 4, 6], [4, 3, 3], [3]], { strides: [2] }),
  made(
    'ConvTranspose',
    [
      [2, 4, 5, 4],
      [4, 3, 3, 3],
    ],
    { strides: [2, 2], auto_pad: 'SAME_UPPER' },
  ),
  made(
    'ConvTranspose',
    [
      [2, 4, 5, 4],
      [4, 3, 3, 3],
    ],
    { strides: [2, 2], output_shape: [9, 10] },
  ),
];

const forms: readonly Case[] = [
  made(
    'Conv',
    [
      [2, 8, 3, 4],
      [8, 8, 3, 3],
    ],
    { pads: [1, 1, 1, 1] },
    { note: 'more products than places' },
  ),
  made(
    'Conv',
    [
      [2, 8, 6],
      [9, 8, 3],
    ],
    { pads: [2, 0] },
    { note: 'more products than places' },
  ),
  made(
    'Conv',
    [
      [1, 5, 3, 3, 4],
      [5, 5, 2, 2, 2],
    ],
    { pads: [1, 0, 1, 0, 1, 0] },
    { note: 'more products than places' },
  ),
  made(
    'Conv',
    [
      [2, 4, 19],
      [4, 4, 3],
    ],
    { pads: [2, 2], dilations: [2] },
  ),
  made(
    'Conv',
    [
      [2, 4, 3, 5, 9],
      [4, 4, 2, 2, 2],
    ],
    { pads: [0, 1, 1, 1, 1, 0] },
  ),
  made(
    'Conv',
    [
      [1, 16, 16, 17],
      [17, 16, 3, 2],
    ],
    { pads: [2, 0, 1, 1] },
    { note: 'many channels and places' },
  ),
  made(
    'Conv',
    [
      [1, 16, 18, 18],
      [16, 16, 3, 3],
    ],
    { pads: [1, 3, 1, 1], dilations: [1, 2] },
    { note: 'many channels and places' },
  ),
  made(
    'Conv',
    [
      [2, 4, 7, 6],
      [4, 1, 3, 3],
    ],
    { group: 4, dilations: [2, 1], pads: [1, 2, 3, 0] },
  ),
  made(
    'Conv',
    [
      [2, 4, 7, 6],
      [4, 1, 1, 3],
    ],
    { group: 4, pads: [1, 1, 1, 1] },
    { note: 'pads beyond the kernel' },
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
  made('MaxPool', [[1, 2, 7, 9]], { kernel_shape: [2, 3], strides: [2, 3] }, { value: distinct }),
  made('AveragePool', [[1, 2, 7, 9]], { kernel_shape: [2, 3], strides: [2, 3] }),
  made(
    'AveragePool',
    [[2, 2, 9]],
    { kernel_shape: [2], strides: [3], pads: [1, 0] },
    { note: 'places between windows' },
  ),
  made('AveragePool', [[2, 2, 11]], { kernel_shape: [2], strides: [4] }, { note: 'places behind' }),
  made('GlobalAveragePool', [[2, 3, 4, 5]]),
  made('GlobalMaxPool', [[1, 3, 4, 5]], {}, { value: distinct }),

  made('MaxPool', [[1, 2, 7, 6]], { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: 1 }, { value: distinct }),
  made(
    'MaxPool',
    [[1, 2, 8, 6]],
    { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], ceil_mode: 1 },
    { value: distinct },
  ),
  made('AveragePool', [[1, 2, 7, 6]], { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: 1 }),
  made('AveragePool', [[1, 2, 8, 6]], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], ceil_mode: 1 }),
  made('AveragePool', [[1, 2, 8, 6]], {
    kernel_shape: [3, 3],
    strides: [2, 2],
    pads: [1, 1, 1, 1],
    ceil_mode: 1,
    count_include_pad: 1,
  }),
];

/** By the moments of the batch; the third and fourth input are the running averages. */
const inTraining = (shape: readonly number[], attributes: Readonly<Record<string, Attribute>>): Case =>
  made(
    'BatchNormalization',
    [shape, [3], [3]],
    { training_mode: 1, ...attributes },
    { others: [{ floats: [0.1, -0.2, 0.3] }, { floats: [1, 2, 0.5] }], outputs: 3, seeded: 1 },
  );

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

  ...[
    [6, 3],
    [4, 3, 5],
    [4, 3, 3, 4],
  ].map((shape) => inTraining(shape, { momentum: float(0) })),
  inTraining([4, 3, 5], { momentum: float(0.8) }),
  inTraining([4, 3, 5], { epsilon: float(1e-2) }),
  made('GroupNormalization', [[2, 6, 4, 3], [3], [3]], { num_groups: 3 }, { operatorSet: 18 }),
  made('GroupNormalization', [[2, 6, 4, 3], [6], [6]], { num_groups: 3, epsilon: float(1e-3) }, { operatorSet: 21 }),
  made('GroupNormalization', [[2, 6, 5], [6], [6]], { num_groups: 1 }, { operatorSet: 21 }),
  made('RMSNormalization', [[2, 3, 8], [8]], {}, { operatorSet: 23 }),
];

export const layerCases: readonly Case[] = [...convolutions, ...forms, ...pools, ...normalisations];
