/** SavedModel teachers against what TensorFlow itself gives (test/reference/saved_model.py), on the native backend. */
import { copyFileSync, cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import type { TeacherRecipe } from '../../shared/recipe/schema.js';
import type { Backend, TensorFlow } from '../../worker/compute/backends/backend.js';
import { openBackend } from '../../worker/compute/open/backend-choice.js';
import { Ensemble } from '../../worker/compute/teachers/ensemble.js';
import type { Expected } from '../../cli/prepare/expected.js';
import { inspectTeacher, type InspectedTeacher, type TeacherOptions } from '../../cli/prepare/teacher.js';
import { openTeacher } from '../../worker/compute/teachers/teacher-formats.js';
import { temporaryFolder } from '../worker/compute/teachers/fixtures.js';

const data = fileURLToPath(new URL('../reference/data/saved-model/', import.meta.url));
const reference = JSON.parse(readFileSync(join(data, 'tiny.json'), 'utf8')) as {
  inputs: number[];
  shape: number[];
  rows: number;
  classes: number;
  parameters: number;
  logits: number[];
  relu: number[];
};
const inputs = Float32Array.from(reference.inputs);

let backend: Backend;
let tf: TensorFlow;
beforeAll(async () => {
  backend = await openBackend('native', { threads: 1, gpuDemanded: false });
  tf = await backend.openTensorFlow();
});

function inspect(
  fields: Partial<TeacherRecipe> = {},
  expected: Partial<Expected> = {},
  options: Partial<TeacherOptions> = {},
): Promise<InspectedTeacher> {
  const openTensorFlow = () => Promise.reject(new Error('the wrong backend was opened'));
  const recipe = { name: 'tiny', model: 'tiny', weight: 1, output: 'logits' as const, outputName: 'logits', ...fields };
  return inspectTeacher(
    recipe,
    { inputShape: reference.shape, task: 'classes', classes: reference.classes, preprocess: null, ...expected },
    { folder: data, openTensorFlow, openNative: backend.openTensorFlow, ...options },
  );
}

function open({ spec, paths }: InspectedTeacher, inputShape = reference.shape): Promise<Ensemble> {
  return Ensemble.open([spec], paths, {
    combine: 'logits',
    rows: 4,
    inputShape,
    openTensorFlow: backend.openTensorFlow,
  });
}

function expectClose(found: ArrayLike<number> | undefined, expected: readonly number[]): void {
  expect(found?.length).toBe(expected.length);
  expected.forEach((value, i) => expect(Math.abs((found?.[i] ?? NaN) - value)).toBeLessThan(1e-5));
}

/** An artifact cache's view of the files: one folder, by content. */
function keptByContent(found: InspectedTeacher): InspectedTeacher {
  const folder = temporaryFolder();
  const paths = [...found.paths].map(([sha256, path]): [string, string] => {
    copyFileSync(path, join(folder, sha256));
    return [sha256, join(folder, sha256)];
  });
  return { ...found, paths: new Map(paths) };
}

describe('a SavedModel teacher', () => {
  it("gives TensorFlow's logits, and a tap, from files that are kept by content", async () => {
    const found = keptByContent(await inspect({}, {}, { taps: ['relu'] }));
    expect(found.spec.files.map(({ name }) => name)).toEqual([
      'saved_model.pb',
      'variables/variables.data-00000-of-00001',
      'variables/variables.index',
    ]);
    expect(found.spec).toMatchObject({
      format: 'saved-model',
      layout: 'nhwc',
      parameters: reference.parameters,
      outputName: 'logits',
    });
    expect([found.warnings, found.taps]).toEqual([[], [{ name: 'relu', shape: [4, 3, 4] }]]);
    const ensemble = await open(found);
    const before = tf.memory().numTensors;
    const { logits, taps } = await ensemble.run(inputs, reference.rows, { taps: new Map([['tiny', ['relu']]]) });
    expectClose(logits.get('tiny'), reference.logits);
    expectClose(taps.get('tiny/relu')?.values, reference.relu);
    expect(tf.memory().numTensors).toBe(before);
    await ensemble.dispose();
  });

  it('gives the same bits for a sample among any others', async () => {
    const ensemble = await open(await inspect());
    const all = (await ensemble.logits(inputs, reference.rows)).get('tiny');
    const alone = (await ensemble.logits(inputs.slice(0, 24), 1)).get('tiny');
    expect(alone).toEqual(all?.slice(0, reference.classes));
    await ensemble.dispose();
  });

  it('runs another signature, channels first, that gives probabilities', async () => {
    const found = await inspect({ signature: 'first', outputName: undefined, output: 'probabilities' });
    expect([found.spec, found.warnings]).toMatchObject([
      { signature: 'first', layout: 'nchw', parameters: reference.parameters },
      [],
    ]);
    const ensemble = await open(found);
    const logProbabilities = (await ensemble.logits(inputs, reference.rows)).get('tiny') ?? [];
    const expected = tf.tidy(() => [
      ...tf.logSoftmax(tf.tensor2d(reference.logits, [reference.rows, reference.classes])).dataSync(),
    ]);
    expectClose(logProbabilities, expected);
    await ensemble.dispose();
  });

  it('gives each of several inputs its column, and the run says that it stays as it is', async () => {
    const parts = [
      { name: 'more', shape: [1] },
      { name: 'a', shape: reference.shape },
    ];
    const recipe = { signature: 'two', inputs: { b: 'more' } };
    const onnxFolder = temporaryFolder();
    const found = await inspect(recipe, { inputShape: [25], parts }, { onnxFolder });
    expect(found.warnings).toEqual([
      'teacher tiny: a SavedModel is not turned into ONNX; it runs as a SavedModel, not in ONNX Runtime',
    ]);
    const samples = Float32Array.from({ length: reference.rows * 25 }, (_, i) =>
      i % 25 === 0 ? i / 25 : (inputs[Math.floor(i / 25) * 24 + (i % 25) - 1] ?? NaN),
    );
    const ensemble = await open(found, [25]);
    const given = (await ensemble.logits(samples, reference.rows)).get('tiny');
    expectClose(
      given,
      reference.logits.map((value, i) => value + Math.floor(i / reference.classes)),
    );
    await ensemble.dispose();
  });

  it('names all of its other outputs as taps', async () => {
    expect((await inspect({}, {}, { taps: 'all' })).taps).toEqual([{ name: 'relu', shape: [4, 3, 4] }]);
  });

  const broken = temporaryFolder();
  cpSync(join(data, 'tiny'), join(broken, 'torn'), { recursive: true });
  rmSync(join(broken, 'torn/variables'), { recursive: true });
  cpSync(join(data, 'tiny'), join(broken, 'flipped'), { recursive: true });
  const flipped = join(broken, 'flipped/variables/variables.data-00000-of-00001');
  writeFileSync(
    flipped,
    readFileSync(flipped).map((byte, i) => (i === 100 ? byte ^ 1 : byte)),
  );
  cpSync(join(data, 'tiny'), join(broken, 'bad'), { recursive: true });
  writeFileSync(join(broken, 'bad/saved_model.pb'), 'this is no model');

  it.each([
    [
      'two outputs and none named',
      { outputName: undefined },
      {},
      2,
      /output: the model has 2 of them \("logits", "relu"\); name one/,
    ],
    [
      'an input that is not there',
      { input: 'pixels' },
      {},
      2,
      /input "pixels": the model has no such name; it has "images"/,
    ],
    [
      'a signature that is not there',
      { signature: 'serve' },
      {},
      2,
      /signature "serve": the model has no such name; it has .*"serving_default"/,
    ],
    [
      'an input of a signature that is fed by nothing',
      { signature: 'two', input: 'a' },
      {},
      2,
      /its input "b" \(.*\) is fed by nothing; teachers\[\]\.inputs: \{ b: COLUMN \} wanted/,
    ],
    [
      'a tap inside its functions',
      {},
      { taps: ['Conv2D'] },
      2,
      /tap "Conv2D": a SavedModel gives no inner values; one of its signature's outputs \("logits", "relu"\) wanted/,
    ],
    ['other classes', {}, { classes: 10 }, 2, /it gives 5 classes; the data has 10/],
    [
      'another input shape',
      {},
      { inputShape: [28, 28, 1] },
      2,
      /its input shape is \[4, 3, 2\]; the data's samples are \[28, 28, 1\]/,
    ],
    [
      'another digest',
      { sha256: '0'.repeat(64) },
      {},
      65,
      /the SHA-256 of tiny is [0-9a-f]{64}; the recipe wants 0{64}/,
    ],
    ['missing variables', { model: 'torn' }, {}, 65, /TensorFlow cannot run it: .*[Vv]ariable/],
    [
      'a variable with a bit turned',
      { model: 'flipped' },
      {},
      65,
      /it is not a SavedModel that TensorFlow can load: .*(checksum|Checksum)/,
    ],
    ['a damaged graph', { model: 'bad' }, {}, 65, /it is not a SavedModel that TensorFlow can load/],
  ] as [string, Partial<TeacherRecipe>, Partial<Expected> & Pick<TeacherOptions, 'taps'>, number, RegExp][])(
    'is refused in one line for %s',
    async (_, fields, { taps = [], ...expected }, exitCode, message) => {
      const refused = inspect(fields, expected, { taps, folder: fields.model === undefined ? data : broken });
      await expect(refused).rejects.toMatchObject({
        name: 'UserError',
        exitCode,
        message: expect.stringMatching(message),
      });
      await expect(refused).rejects.toMatchObject({ message: expect.not.stringContaining('\n') });
    },
  );

  it('takes no file whose name leads out of its folder', async () => {
    const source = { name: 'tiny', format: 'saved-model' as const, paths: new Map([['variables/../../../x', '/x']]) };
    await expect(openTeacher(source, backend.openTensorFlow)).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringContaining('none of a SavedModel'),
    });
  });
});
