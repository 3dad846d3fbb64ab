/** Students that are ONNX graphs with inputs of whole numbers, or with several: what each is given, and what is refused. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Expected } from '../../../cli/prepare/expected.js';
import type { InspectedStudent } from '../../../cli/prepare/inspected-student.js';
import { inspectStudent } from '../../../cli/prepare/student.js';
import type { Part } from '../../../cli/prepare/sources/source.js';
import type { InputRecipe } from '../../../shared/recipe/model-schema.js';
import { floats, type ElementType } from '../../../worker/compute/onnx/graph.js';
import { ownOperatorSets, writeOnnx } from '../../../worker/compute/onnx/write.js';
import { graphEngine } from '../../../worker/compute/student/graph/engine.js';
import { make } from '../../worker/compute/student/students.js';
import { temporaryFolder } from '../../worker/fakes.js';

const reference = fileURLToPath(new URL('../../reference/data/encoders/', import.meta.url));
const networks = fileURLToPath(new URL('../../reference/data/networks/', import.meta.url));
/** What PyTorch gives, by test/reference/encoders.py. */
const { positions, classes, ids, types, logits, typedLogits } = JSON.parse(
  readFileSync(join(reference, 'encoders.json'), 'utf8'),
) as Record<'positions' | 'classes', number> &
  Record<'ids' | 'types', number[][]> &
  Record<'logits' | 'typedLogits', number[]>;

const column = (name: string, size = positions): Part => ({ name, shape: [size] });

/** A sample of these columns. */
function expectedOf(parts: readonly Part[], fields: Partial<Expected> = {}): Expected {
  const inputShape = [parts.reduce((sum, { shape: [size = 1] }) => sum + size, 0)];
  return { inputShape, parts, task: 'classes', classes, preprocess: null, ...fields };
}

const inspect = (
  model: string,
  expected: Expected,
  { inputs, folder = reference }: { inputs?: Record<string, InputRecipe>; folder?: string } = {},
): Promise<InspectedStudent> =>
  inspectStudent({ model, ...(inputs === undefined ? {} : { inputs }) }, expected, { folder, seed: 1 });

/** What the student answers as it came, by the compiled engine. */
async function logitsOf(
  { spec, weights }: InspectedStudent,
  samples: readonly (readonly number[])[],
): Promise<Float32Array> {
  const { student } = await make(spec, weights, { engine: graphEngine });
  const { logits: found } = await student.outputs(Float32Array.from(samples.flat()), samples.length);
  return found;
}

const farthest = (found: Float32Array, wanted: readonly number[]): number =>
  wanted.reduce((most, value, i) => Math.max(most, Math.abs(value - (found[i] ?? NaN))), 0);

/** A linear student of inputs [n, size], which are joined in order. */
function writeLinear(inputs: readonly { name: string; type: ElementType; size: number }[]): string {
  const folder = temporaryFolder();
  const width = inputs.reduce((sum, { size }) => sum + size, 0);
  const kernel = Float32Array.from({ length: width * classes }, (_, i) =>
    i % classes === 0 ? 10 ** Math.floor(i / classes) : 0,
  );
  writeFileSync(
    join(folder, 'linear.onnx'),
    writeOnnx({
      operatorSets: ownOperatorSets,
      graph: {
        inputs: inputs.map(({ name, type, size }) => ({ name, type, shape: ['n', size] })),
        outputs: [{ name: 'y', type: 'float32', shape: ['n', classes] }],
        constants: [floats('fc.weight', [width, classes], kernel)],
        nodes: [
          ...inputs.map(({ name }) => ({
            op: 'Cast',
            inputs: [name],
            outputs: [`float ${name}`],
            attributes: { to: 1 },
          })),
          {
            op: 'Concat',
            inputs: inputs.map(({ name }) => `float ${name}`),
            outputs: ['all'],
            attributes: { axis: 1 },
          },
          { op: 'MatMul', inputs: ['all', 'fc.weight'], outputs: ['y'], attributes: {} },
        ],
      },
    }),
  );
  return folder;
}

describe.each(['bert.onnx', 'bert-dynamo.onnx'])('an encoder of texts as a student (%s)', (model) => {
  it('that is given tokens alone makes its mask of the padding, has types of 0, and says so', async () => {
    const found = await inspect(model, expectedOf([column('tokens')]));
    expect(found.warnings).toContain(
      `student ${model}: its input "input_ids" is given tokens, "attention_mask" is given 1 where tokens is not 0, "token_type_ids" is given 0 (student.inputs says it otherwise)`,
    );
    expect(farthest(await logitsOf(found, ids), logits)).toBeLessThan(1e-5);
  });

  it('takes the columns of its inputs, in whatever order they stand', async () => {
    const found = await inspect(
      model,
      expectedOf([column('token_type_ids'), column('attention_mask'), column('input_ids')]),
    );
    const samples = ids.map((row, i) => [...(types[i] ?? []), ...row.map((id) => Math.min(id, 1)), ...row]);
    expect(farthest(await logitsOf(found, samples), typedLogits)).toBeLessThan(1e-5);
  });

  it('takes what the recipe says: columns of other names, a mask of another padding, a number', async () => {
    const inputs = { input_ids: 'text', attention_mask: { mask: 'place', padding: -1 }, token_type_ids: 0 };
    const found = await inspect(model, expectedOf([column('place'), column('text')]), { inputs });
    const samples = ids.map((row) => [...row.map((id) => (id === 0 ? -1 : 7)), ...row]);
    expect(farthest(await logitsOf(found, samples), logits)).toBeLessThan(1e-5);
  });

  it('is told of weights that its exporter has merged since they were equal', async () => {
    const { warnings } = await inspect(model, expectedOf([column('tokens')]));
    expect(warnings.find((line) => line.includes('exporters merge'))).toMatch(
      /model\.bert\.embeddings\.LayerNorm\.weight \(all 1\) is one weight of 3 nodes/,
    );
  });
});

describe('a student whose inputs are of other types than float32', () => {
  it('is given all of the sample as its only input, as whole numbers', async () => {
    const found = await inspect('bert-dynamo.onnx', expectedOf([column('tokens')]), { folder: networks });
    const { input, outputs } = JSON.parse(readFileSync(join(networks, 'bert.json'), 'utf8')) as {
      input: { values: number[] };
      outputs: number[][];
    };
    const rows = [input.values.slice(0, positions), input.values.slice(positions)];
    expect(farthest(await logitsOf(found, rows), outputs[0] ?? [])).toBeLessThan(1e-5);
  });

  it('is given each its own, several columns as one, true and false, and a number everywhere', async () => {
    const folder = writeLinear([
      { name: 'a', type: 'int32', size: 2 },
      { name: 'flag', type: 'bool', size: 1 },
      { name: 'wide', type: 'float64', size: 1 },
      { name: 'rest', type: 'uint8', size: 1 },
    ]);
    const parts = [column('y', 1), column('flag', 1), column('x', 1), column('wide', 1)];
    const found = await inspect('linear.onnx', expectedOf(parts), { folder, inputs: { a: ['x', 'y'], rest: 7 } });
    // Digits by place: x, y, whether flag, wide, 7.
    const answers = await logitsOf(found, [
      [2, 5, 1, 3],
      [4, 0, 9, 6],
    ]);
    expect([answers[0], answers[classes]]).toEqual([73121, 76049]);
  });
});

describe('what a student cannot be given', () => {
  const pair = [
    { name: 'a', type: 'int64', size: 2 },
    { name: 'b', type: 'float32', size: 1 },
  ] as const;
  const parts = [column('a', 2), column('c', 1)];
  const raw = { scale: 1 / 255, mean: [0], std: [1] };
  it.each<[string, Expected, Record<string, InputRecipe> | undefined, string]>([
    [
      'an input that nothing feeds',
      expectedOf(parts),
      undefined,
      'student linear.onnx: its input "b" (float [1]) is fed by nothing; student.inputs: { b: COLUMN } wanted, of the data\'s a, c',
    ],
    [
      'an input that the model lacks',
      expectedOf(parts),
      { A: 'a' },
      'student linear.onnx: inputs: the model has no input "A"; it has "a" (int64 [2]), "b" (float [1])',
    ],
    [
      'a column that the data lacks',
      expectedOf(parts),
      { b: 'd' },
      'student linear.onnx: inputs.b: the data has no column "d"; one of a, c wanted',
    ],
    [
      'a column of another size',
      expectedOf(parts),
      { b: 'a' },
      "student linear.onnx: its input b takes [1]; the data's samples are [2]",
    ],
    [
      'samples that preprocessing has made fractions of',
      expectedOf(parts, { preprocess: raw }),
      { b: 'c' },
      'student linear.onnx: its input "a" (int64 [2]) takes whole numbers, and data.preprocess makes others of the samples; no data.preprocess wanted',
    ],
  ])('%s', async (_name, expected, inputs, message) => {
    const folder = writeLinear(pair);
    await expect(
      inspect('linear.onnx', expected, { folder, ...(inputs === undefined ? {} : { inputs }) }),
    ).rejects.toThrow(message);
  });
});
