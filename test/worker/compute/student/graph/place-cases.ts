/** Operators that move elements, and that choose among them. */
import type { Attribute } from '../../../../../worker/compute/onnx/graph.js';
import { distinct, float, made, type Case } from './case.js';

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

  ...['edge', 'reflect', 'wrap'].flatMap((mode) => [
    made('Pad', [[2, 5]], { mode }, { others: [[0, 2, 0, 3]] }),
    made('Pad', [[2, 3, 4]], { mode }, { others: [[0, 1, 2, 0, 2, 0]], note: 'corners' }),
  ]),
  made('Pad', [[2, 3, 4]], { mode: 'reflect' }, { others: [[1, 2], null, [-1]], note: 'one axis' }),
  made('DepthToSpace', [[2, 8, 3, 2]], { blocksize: 2, mode: 'DCR' }),
  made('DepthToSpace', [[2, 8, 3, 2]], { blocksize: 2, mode: 'CRD' }),
  made('SpaceToDepth', [[2, 3, 4, 6]], { blocksize: 2 }),
];

const resized = (
  shape: readonly number[],
  to: readonly number[],
  attributes: Readonly<Record<string, Attribute>>,
): Case => made('Resize', [shape], attributes, { others: [null, null, to], note: `to [${to.join()}]` });

const resizes: readonly Case[] = [
  made(
    'Resize',
    [[2, 3, 4, 5]],
    { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' },
    { others: [null, { floats: [1, 1, 2, 3] }], note: 'by 2 and 3' },
  ),
  made(
    'Resize',
    [[2, 3, 6, 5]],
    { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' },
    { others: [null, { floats: [1, 1, 0.5, 1.7] }], note: 'by 0.5 and 1.7' },
  ),
  made(
    'Resize',
    [[2, 2, 4, 5]],
    { mode: 'linear' },
    { others: [null, { floats: [1, 1, 2, 1.3] }], note: 'by 2 and 1.3' },
  ),
  made('Resize', [[2, 2, 4]], { mode: 'linear' }, { others: [null, { floats: [1, 1, 2] }], note: 'by 2' }),
  made(
    'Resize',
    [[2, 2, 4]],
    { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' },
    { others: [null, { floats: [1, 1, 2] }], note: 'by 2' },
  ),
  made(
    'Resize',
    [[2, 2, 4, 5]],
    { mode: 'linear', axes: [-1, 2] },
    { others: [null, null, [7, 3]], note: 'of axes', operatorSet: 18 },
  ),
  ...['asymmetric', 'half_pixel', 'pytorch_half_pixel', 'align_corners'].flatMap((mode) => [
    resized([2, 2, 4, 5], [2, 2, 7, 3], { mode: 'linear', coordinate_transformation_mode: mode }),
    resized([2, 2, 4, 5], [2, 2, 7, 3], { mode: 'nearest', coordinate_transformation_mode: mode }),
    resized([2, 1, 3, 1], [2, 1, 1, 4], { mode: 'linear', coordinate_transformation_mode: mode }),
  ]),
  resized([1, 1, 3, 4, 2], [1, 1, 5, 2, 4], { mode: 'linear' }),
  resized([1, 2, 5, 4], [1, 2, 9, 6], { mode: 'cubic', cubic_coeff_a: float(-0.75) }),
  resized([1, 2, 9, 8], [1, 2, 4, 3], { mode: 'linear', antialias: 1 }),
];

const choices: readonly Case[] = [
  made('Gather', [[5, 3]], {}, { others: [{ integers: [0, 2, 2, -1, 4, 2], shape: [2, 3] }] }),
  made('Gather', [[2, 5, 3]], { axis: 1 }, { others: [{ integers: [1, 1, 3], shape: [3] }] }),
  made('Gather', [[2, 5, 3]], { axis: 1 }, { others: [{ integers: [0], shape: [] }], note: 'one' }),

  made('Gather', [[2, 5, 3]], { axis: 1 }, { others: [{ integers: [-2], shape: [1] }], note: 'one, kept' }),
  made('GatherElements', [[3, 4]], { axis: 1 }, { others: [{ integers: [0, 3, 3, -1, 1, 1], shape: [3, 2] }] }),
  made('GatherND', [[3, 4, 2]], {}, { others: [{ integers: [0, 1, 2, 3, 0, 1], shape: [3, 2] }] }),
  ...['none', 'add'].flatMap((reduction) => [
    made(
      'ScatterElements',
      [
        [3, 4],
        [3, 1],
      ],
      { axis: 1, reduction },
      { others: [{ integers: [0, 3, 1], shape: [3, 1] }], order: [0, 2, 1] },
    ),
    made(
      'ScatterND',
      [
        [3, 4],
        [2, 4],
      ],
      { reduction },
      { others: [{ integers: [2, 0], shape: [2, 1] }], order: [0, 2, 1] },
    ),
  ]),
  made(
    'Where',
    [
      [2, 3],
      [2, 3],
    ],
    {},
    { others: [{ bool: [1, 0, 0, 1, 1, 0], shape: [2, 3] }], order: [2, 0, 1] },
  ),
  made('Where', [[2, 1], []], {}, { others: [{ bool: [1, 0, 1], shape: [3] }], order: [2, 0, 1] }),
  made('TopK', [[3, 5]], {}, { value: distinct, others: [[2]], outputs: 2, seeded: 1 }),
  made('Trilu', [[2, 4, 5]], { upper: 0 }, { others: [{ integers: [1], shape: [] }] }),
  made('Trilu', [[4, 4]]),
];

export const placeCases: readonly Case[] = [...shapes, ...resizes, ...choices];
