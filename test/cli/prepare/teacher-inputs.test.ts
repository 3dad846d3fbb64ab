/** Teachers with several inputs, fed from named columns: what each input is given, and what is refused. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Expected } from '../../../cli/prepare/expected.js';
import type { Part } from '../../../cli/prepare/sources/source.js';
import { inspectTeacher, type InspectedTeacher } from '../../../cli/prepare/teacher.js';
import { ensembleDigest } from '../../../shared/labels/ensemble-digest.js';
import type { TeacherRecipe } from '../../../shared/recipe/schema.js';
import type { ElementType } from '../../../worker/compute/onnx/graph.js';
import { ownOperatorSets, writeOnnx } from '../../../worker/compute/onnx/write.js';
import { Ensemble } from '../../../worker/compute/teachers/ensemble.js';
import { openTensorFlow, saveLayersModel } from '../../worker/compute/teachers/fixtures.js';
import { GraphFile } from '../../worker/compute/teachers/graphs-to-convert.js';
import { temporaryFolder } from '../../worker/fakes.js';

const reference = fileURLToPath(new URL('../../reference/data/encoders/', import.meta.url));
/** What PyTorch gives, by test/reference/encoders.py. */
const { positions, classes, ids, types, logits, typedLogits } = JSON.parse(
  readFileSync(join(reference, 'encoders.json'), 'utf8'),
) as {
  positions: number;
  classes: number;
  ids: number[][];
  types: number[][];
  logits: number[];
  typedLogits: number[];
};
const folder = temporaryFolder();

/** A sample of these columns. */
function expectedOf(parts: readonly Part[], fields: Partial<Expected> = {}): Expected {
  const inputShape = [parts.reduce((sum, { shape: [size = 1] }) => sum + size, 0)];
  return { inputShape, parts, task: 'classes', classes, preprocess: null, ...fields };
}

const column = (name: string, size = positions): Part => ({ name, shape: [size] });

const inspect = (model: string, expected: Expected, fields: Partial<TeacherRecipe> = {}): Promise<InspectedTeacher> =>
  inspectTeacher({ name: 'bert', model, weight: 1, output: 'logits', ...fields }, expected, { folder, openTensorFlow });

async function logitsOf(
  { spec, paths }: InspectedTeacher,
  samples: readonly (readonly number[])[],
): Promise<Float32Array> {
  const ensemble = await Ensemble.open([spec], paths, {
    combine: 'logits',
    rows: 4,
    inputShape: [samples[0]?.length ?? 0],
    openTensorFlow,
  });
  const found = (await ensemble.logits(Float32Array.from(samples.flat()), samples.length)).get('bert');
  await ensemble.dispose();
  return found ?? new Float32Array(0);
}

const farthest = (found: Float32Array, wanted: readonly number[]): number =>
  wanted.reduce((most, value, i) => Math.max(most, Math.abs(value - (found[i] ?? NaN))), 0);

/** Gives of each input the mean of what it is given, as a class of its own. */
function writeMeans(name: string, inputs: readonly { name: string; type: ElementType; size: number | string }[]): void {
  const means = inputs.map((input) => `mean ${input.name}`);
  writeFileSync(
    join(folder, name),
    writeOnnx({
      operatorSets: ownOperatorSets,
      graph: {
        inputs: inputs.map((input) => ({ name: input.name, type: input.type, shape: ['n', input.size] })),
        outputs: [{ name: 'y', type: 'float32', shape: ['n', inputs.length] }],
        constants: [],
        nodes: [
          ...inputs.flatMap((input, i) => [
            { op: 'Cast', inputs: [input.name], outputs: [`float ${input.name}`], attributes: { to: 1 } },
            {
              op: 'ReduceMean',
              inputs: [`float ${input.name}`],
              outputs: [means[i] ?? ''],
              attributes: { axes: [1], keepdims: 1 },
            },
          ]),
          { op: 'Concat', inputs: means, outputs: ['y'], attributes: { axis: 1 } },
        ],
      },
    }),
  );
}

beforeAll(async () => {
  for (const name of ['bert.onnx', 'bert-dynamo.onnx']) copyFileSync(join(reference, name), join(folder, name));
  writeMeans('table.onnx', [
    { name: 'age', type: 'float32', size: 1 },
    { name: 'hours_per_week', type: 'int64', size: 1 },
    { name: 'is_here', type: 'bool', size: 1 },
  ]);
  await openTensorFlow();
  const inputs = ['left', 'right'].map((name) => tf.input({ shape: [2], name }));
  const joined = tf.layers.concatenate().apply(inputs) as tf.SymbolicTensor;
  const dense = tf.layers.dense({ units: 3, kernelInitializer: 'ones', useBias: false });
  await saveLayersModel(
    tf.model({ inputs, outputs: dense.apply(joined) as tf.SymbolicTensor }),
    join(folder, 'two-inputs'),
  );
});

describe.each(['bert.onnx', 'bert-dynamo.onnx'])('an encoder of texts (%s)', (model) => {
  it('that is given tokens alone makes its mask of the padding, has types of 0, and says so', async () => {
    const found = await inspect(model, expectedOf([column('tokens')]));
    expect(found.warnings).toEqual([
      'teacher bert: its input "input_ids" is given tokens, "attention_mask" is given 1 where tokens is not 0, "token_type_ids" is given 0 (teachers[].inputs says it otherwise)',
    ]);
    expect(farthest(await logitsOf(found, ids), logits)).toBeLessThan(1e-5);
    expect(found.spec.canary?.every(Number.isFinite)).toBe(true);
  });

  it('makes its mask by what the data are padded with', async () => {
    const found = await inspect(model, expectedOf([{ ...column('tokens'), padding: 99 }]));
    expect(found.warnings[0]).toContain('"attention_mask" is given 1 where tokens is not 99, ');
    expect(found.spec.inputs?.[1]?.from).toEqual({ elements: [[0, positions]], padding: 99 });
  });

  it('takes the columns of its inputs, in whatever order they stand', async () => {
    const parts = [column('token_type_ids'), column('attention_mask'), column('input_ids')];
    const found = await inspect(model, expectedOf(parts));
    expect(found.warnings).toEqual([]);
    const samples = ids.map((row, i) => [...(types[i] ?? []), ...row.map((id) => Math.min(id, 1)), ...row]);
    expect(farthest(await logitsOf(found, samples), typedLogits)).toBeLessThan(1e-5);
  });

  it('takes what the recipe says: columns of other names, a mask of another padding, a number', async () => {
    const inputs = { input_ids: 'text', attention_mask: { mask: 'place', padding: -1 }, token_type_ids: 0 };
    const found = await inspect(model, expectedOf([column('place'), column('text')]), { inputs });
    expect(found.warnings).toEqual([]);
    const samples = ids.map((row) => [...row.map((id) => (id === 0 ? -1 : 7)), ...row]);
    expect(farthest(await logitsOf(found, samples), logits)).toBeLessThan(1e-5);
  });
});

describe('a teacher with an input for each column', () => {
  const parts = [column('hours per week', 1), column('is_here', 1), column('age', 1)];

  it('is given numbers, whole numbers, and true and false', async () => {
    const found = await inspect('table.onnx', expectedOf(parts));
    expect(found.warnings).toEqual([]);
    const given = await logitsOf(found, [
      [40, 1, 33.5],
      [20, 0, 18.25],
    ]);
    expect([...given]).toEqual([33.5, 40, 1, 18.25, 20, 0]);
  });

  it('has labels under another key with other columns', async () => {
    const form = { combine: 'logits', rows: 4, inputShape: [3] } as const;
    const one = await inspect('table.onnx', expectedOf(parts));
    const other = await inspect('table.onnx', expectedOf(parts), { inputs: { hours_per_week: 'age' } });
    expect(ensembleDigest([one.spec], form)).not.toBe(ensembleDigest([other.spec], form));
  });
});

describe('a LayersModel with several inputs', () => {
  it('is given columns of several numbers, and several columns as one', async () => {
    const parts = [column('a', 1), column('right', 2), column('b', 1)];
    const found = await inspect('two-inputs', expectedOf(parts), { inputs: { left: ['a', 'b'] } });
    expect([...(await logitsOf(found, [[1, 10, 20, 3]]))]).toEqual([34, 34, 34]);
  });
});

describe.each([
  ['by the names of its signature', 'serving_default_', true],
  ['by the names of its nodes', '', false],
])('a GraphModel with several inputs, %s', (_case, prefix, isSigned) => {
  const parts = [column('seen', 1), column('tokens', 3), column('age', 2)];
  /** Gives of each sample the sum of its tokens' rows, plus its age where it was seen. */
  const write = (): void => {
    const graph = new GraphFile();
    const age = graph.placeholder(`${prefix}age`, [-1, 2]);
    const ids = graph.placeholder(`${prefix}input_ids`, [-1, 3], 'INT32');
    const seen = graph.placeholder(`${prefix}seen`, [-1, 1], 'BOOL');
    graph.constant('table', [4, 2], Float32Array.of(0, 0, 1, 10, 2, 20, 3, 30));
    graph.node('rows', 'GatherV2', ['table', ids, graph.int('zero', 0)], { batch_dims: { i: '0' } });
    graph.node('sum', 'Sum', ['rows', graph.ints('steps', 1)], { keep_dims: { b: false } });
    graph.node('one', 'Cast', [seen], { SrcT: { type: 'DT_BOOL' }, DstT: { type: 'DT_FLOAT' } });
    graph.node('counted', 'Mul', [age, 'one']);
    graph.node('logits', 'AddV2', ['sum', 'counted']);
    if (isSigned) graph.sign('answer', 'logits', { input_ids: ids, seen, age });
    mkdirSync(join(folder, 'graph'), { recursive: true });
    graph.save(join(folder, 'graph'));
  };

  it('is given each its column in TensorFlow.js, which the run says', async () => {
    write();
    const expected = expectedOf(parts, { classes: 2 });
    const recipe = {
      name: 'bert',
      model: 'graph',
      weight: 1,
      output: 'logits' as const,
      inputs: { input_ids: 'tokens' },
    };
    const onnxFolder = join(folder, 'onnx');
    const found = await inspectTeacher(recipe, expected, { folder, openTensorFlow, onnxFolder });
    expect([found.spec.format, found.warnings]).toEqual([
      'graph-model',
      [
        'teacher bert: the model: it has 3 inputs; one was wanted for ONNX; it runs as a tfjs GraphModel, not in ONNX Runtime',
      ],
    ]);
    const given = await logitsOf(found, [
      [1, 1, 0, 3, 0.5, 0.25],
      [0, 2, 2, 0, 0.5, 0.25],
    ]);
    expect([...given]).toEqual([4.5, 40.25, 4, 40]);
  });

  it('is refused with an input that nothing feeds', async () => {
    write();
    await expect(inspect('graph', expectedOf(parts.filter(({ name }) => name !== 'tokens')))).rejects.toMatchObject({
      exitCode: 2,
      message: `teacher bert: its input "input_ids" (int32 [3]) is fed by nothing; teachers[].inputs: { input_ids: COLUMN } wanted, of the data's seen, age`,
    });
  });
});

describe('a model with one input', () => {
  it('is given the columns that the recipe names alone', async () => {
    writeMeans('one.onnx', [{ name: 'x', type: 'float32', size: 2 }]);
    const parts = [column('a', 1), column('b', 1), column('c', 1)];
    const found = await inspect('one.onnx', expectedOf(parts, { classes: 1 }), { inputs: { x: ['a', 'c'] } });
    expect([...(await logitsOf(found, [[1, 10, 3]]))]).toEqual([2]);
  });
});

describe('a teacher with several inputs', () => {
  const bare = expectedOf([column('age', 1), column('hours', 1)]);
  it.each<[string, string, Expected, Partial<TeacherRecipe>, string]>([
    [
      'an input that nothing feeds',
      'table.onnx',
      bare,
      {},
      'teacher bert: its input "hours_per_week" (int64 [1]) is fed by nothing; teachers[].inputs: { hours_per_week: COLUMN } wanted, of the data\'s age, hours',
    ],
    [
      'an input that the model lacks',
      'table.onnx',
      bare,
      { inputs: { Age: 'age' } },
      'teacher bert: inputs: the model has no input "Age"; it has "age" (float [1]), "hours_per_week" (int64 [1]), "is_here" (bool [1])',
    ],
    [
      'a column that the data lacks',
      'table.onnx',
      bare,
      { inputs: { hours_per_week: 'hour', is_here: 1 } },
      'teacher bert: inputs.hours_per_week: the data has no column "hour"; one of age, hours wanted',
    ],
    [
      'a column of another size',
      'table.onnx',
      expectedOf([column('age', 1), column('hours_per_week', 2)]),
      { inputs: { is_here: 1 } },
      'teacher bert: its input "hours_per_week" (int64 [1]) is fed samples of [2]; columns of its shape wanted (teachers[].inputs)',
    ],
    [
      'a mask of samples that are no tokens any more',
      'bert.onnx',
      expectedOf([column('tokens')], { preprocess: { scale: 0.5, mean: [0], std: [1] } }),
      {},
      'teacher bert: inputs.attention_mask: a mask of samples that data.preprocess has changed; preprocess: { scale: 1 } of its own wanted',
    ],
    [
      'a mask of another padding than that of the data',
      'bert.onnx',
      expectedOf([{ ...column('tokens'), padding: 1 }]),
      { inputs: { attention_mask: { mask: 'tokens', padding: 0 } } },
      'teacher bert: inputs.attention_mask: a mask with padding: 0 of tokens, which the data pads with 1; padding: 1 wanted',
    ],
    [
      'another resolution',
      'bert.onnx',
      expectedOf([column('tokens')]),
      { resize: [2, 2] },
      "teacher bert: resize: given for a model that is fed by its inputs' names; a model with the sample as its only input wanted",
    ],
  ])('is refused with %s', async (_case, model, expected, fields, message) => {
    await expect(inspect(model, expected, fields)).rejects.toMatchObject({ exitCode: 2, message });
  });
});
