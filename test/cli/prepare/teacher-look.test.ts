/** The look at teachers on training samples, with teachers whose faults are known. */
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareRun } from '../../../cli/prepare/prepare.js';
import { judgesTeachers, lookAtTeachers } from '../../../cli/prepare/teacher-look.js';
import type { PreparedRun } from '../../../coordinator/plan/prepared-run.js';
import { readRecipe } from '../../../shared/recipe/read.js';
import { floats } from '../../../worker/compute/onnx/graph.js';
import { openWasm } from '../../../worker/compute/backends/wasm/wasm.js';
import { writeBrightSamples, writeBrightTeacher } from '../../worker/compute/teachers/bright-pixel.js';
import { temporaryFolder } from '../../worker/compute/teachers/fixtures.js';

const folder = temporaryFolder();

beforeAll(async () => {
  await openWasm();
  writeBrightSamples(folder, 'train.csv', 200);
  writeBrightSamples(folder, 'bare.csv', 200, false);
  writeBrightTeacher(folder, 'good.onnx', { factor: 25.5 });
  writeBrightTeacher(folder, 'sharp.onnx', { factor: 255 * 40 });
  writeBrightTeacher(folder, 'uint8.onnx', { isInteger: true });
  writeBrightTeacher(folder, 'turned.onnx', { factor: 255, order: [1, 2, 3, 0] });
  const clip = { op: 'Log', inputs: ['logits'], outputs: ['p'], attributes: {} };
  writeBrightTeacher(folder, 'nan.onnx', { factor: -1, nodes: [clip] });
});

interface Job {
  readonly teachers: string;
  readonly file?: string;
  /** Further keys of `data.train`, and of `data`. */
  readonly labels?: string;
  readonly data?: string;
  readonly more?: string;
}

async function prepare({
  teachers,
  file = 'train.csv',
  labels = ', labels: 4',
  data = '',
  more = '',
}: Job): Promise<PreparedRun> {
  const text = `student: { builtin: mlp, hidden: [3] }\nteachers: [${teachers}]\nlosses: { response: { weight: 1 } }
data:
  train: { format: csv, inputs: ${file}, header: false, shape: [4]${labels} }
  classes: 4
  preprocess: { scale: 0.00392156862745098 }
${data}optimizer: { name: adam, learningRate: 0.01 }\nbatch: { size: 16, micro: 8 }\nepochs: 1\n${more}`;
  const { recipe } = readRecipe(text, { file: 'r.yaml' });
  const ignore = (): void => undefined;
  return prepareRun({
    recipe,
    name: 'r',
    recipeFolder: folder,
    shardFolder: `${folder}/shards`,
    plugins: new Map(),
    warn: ignore,
    note: ignore,
  });
}

async function look(job: Job, isJudged = true): Promise<{ said: string[]; warnings: string[] }> {
  const [said, warnings]: [string[], string[]] = [[], []];
  await lookAtTeachers(await prepare(job), {
    isJudged,
    warn: (line) => void warnings.push(line),
    say: (line) => void said.push(line),
  });
  return { said, warnings };
}

const good = '{ name: good, model: good.onnx, outputName: logits }';
const integer = '{ name: u, model: uint8.onnx, outputName: logits }';

describe('teachers without an evaluation set', () => {
  it('are told of by the labels of training samples', async () => {
    expect(await look({ teachers: good })).toEqual({
      said: ['teachers, accuracy on 64 training samples: good 100.00 %'],
      warnings: [],
    });
  });

  it('are refused at chance level, by many samples', async () => {
    const turned = '{ name: turned, model: turned.onnx, outputName: logits }';
    await expect(look({ teachers: turned })).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringMatching(
        /^teacher turned \(0\.00 %\): no better than chance on 200 samples of 4 classes; /,
      ),
    });
    const { warnings } = await look({ teachers: turned, more: 'ensemble: { allowChance: true }\n' });
    expect(warnings).toEqual([expect.stringMatching(/^teacher turned \(0\.00 %\): no better than chance/)]);
  });

  it('are refused where labels are few, by those', async () => {
    await expect(look({ teachers: integer, labels: ', labels: 4, labelled: 20' })).rejects.toMatchObject({
      message: expect.stringMatching(/no better than chance on 20 samples of 4 classes/),
    });
  });

  it('are warned of where there is no label at all, by what they give', async () => {
    const { said, warnings } = await look({ teachers: integer, file: 'bare.csv', labels: '' });
    expect(said).toEqual([]);
    expect(warnings).toEqual([
      expect.stringMatching(
        /^teacher u: its input takes whole numbers \(uint8\), .* from 0\.3804 to 0\.8863 with fractions/,
      ),
      'teacher u: it gives class 0 for all 64 samples; other preprocessing, layout or output wanted',
    ]);
  });
});

describe('teachers that the run evaluates before step 1', () => {
  const data = `  eval: { format: csv, inputs: train.csv, header: false, shape: [4], labels: 4 }\n`;

  it('are not judged twice, and warned of all the same', async () => {
    const run = await prepare({ teachers: integer, data });
    expect(judgesTeachers(run)).toBe(true);
    const { warnings } = await look({ teachers: integer, data }, false);
    expect(warnings.at(-1)).toContain('it gives class 0 for all 64 samples');
  });

  it.each([
    ['the evaluation set has no labels', { data: data.replace('train.csv', 'bare.csv').replace(', labels: 4', '') }],
    ['workers wait for labels, and hold no teacher', { data, more: 'labels: { wait: true }\n' }],
    ['there is no evaluation set', {}],
  ])('are none where %s', async (_case, job) => {
    expect(judgesTeachers(await prepare({ teachers: good, ...job }))).toBe(false);
  });
});

describe('an ensemble', () => {
  // Right where the first pixel is not the brightest, and with a probability of exactly 0 for the first class always.
  const tree = '{ name: tree, model: tree.onnx, outputName: p, output: probabilities, weight: 1 }';
  const others = '{ name: good, model: good.onnx, outputName: logits, weight: 3 }';

  beforeAll(() => {
    const bias = Float32Array.of(-1e4, 0, 0, 0);
    writeBrightTeacher(folder, 'tree.onnx', {
      factor: 255 * 200,
      constants: [floats('bias', [4], bias)],
      nodes: [
        { op: 'Add', inputs: ['logits', 'bias'], outputs: ['biased'], attributes: {} },
        { op: 'Softmax', inputs: ['biased'], outputs: ['p'], attributes: {} },
      ],
    });
  });

  it('that zeros rule is told of, with what to set, and is worse than its best teacher', async () => {
    const { said, warnings } = await look({ teachers: `${tree}, ${others}` });
    expect(said).toEqual([expect.stringMatching(/tree 67\.19 % .*, good 100\.00 % .*, ensemble 67\.19 %$/)]);
    expect(warnings).toEqual([
      'teacher tree: it gives probabilities of exactly 0 or 1, and with ensemble.combine: logits their logarithm (-87) overrules the other teachers; ensemble.combine: probabilities wanted',
      expect.stringMatching(
        /^the ensemble \(67\.19 %\) is worse than its best teacher good \(100\.00 %\); ensemble\.combine: probabilities, or other teachers\[\]\.weight wanted$/,
      ),
    ]);
  });

  it('by probabilities is neither', async () => {
    const { said, warnings } = await look({
      teachers: `${tree}, ${others.replace('good.onnx', 'sharp.onnx')}`,
      more: 'ensemble: { combine: probabilities }\n',
    });
    expect([said[0]?.endsWith('ensemble 100.00 %'), warnings]).toEqual([true, []]);
  });
});

describe('a teacher that cannot answer', () => {
  it('is told of, and the others are judged', async () => {
    const { said, warnings } = await look({
      teachers: `{ name: nan, model: nan.onnx, outputName: p, output: logits }, ${good}`,
      more: 'ensemble: { onFailure: drop }\n',
    });
    expect(said).toEqual([expect.stringMatching(/^teachers, accuracy on 64 training samples: good 100\.00 %/)]);
    expect(warnings).toContainEqual('teacher nan: it gives NaN; a finite number wanted (on samples of data.train)');
  });
});
