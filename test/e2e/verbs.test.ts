/** The verbs around a run, through the built program. */
import { cpSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Program, type Ended } from '../../bench/programs.js';
import { barsRecipe, writeBars } from './bars.js';
import { scratchFolder } from './processes.js';

const scratch = scratchFolder();
const at = (name: string): string => join(scratch.path, name);
const recipe = at('recipe.yaml');
afterAll(() => scratch.remove());

function stillhouse(...args: string[]): Promise<Ended> {
  return new Program(args, { STILLHOUSE_CACHE: at('cache') }).ended;
}

interface Summary {
  readonly student: { readonly accuracy: number; readonly parameters: number };
  readonly workers: readonly { readonly samples: number; readonly seconds: Readonly<Record<string, number>> }[];
}
let summary: Summary;

beforeAll(async () => {
  writeBars(scratch.path);
  writeFileSync(recipe, barsRecipe({ student: '{ builtin: mlp, hidden: [16] }' }));
  const { code, stdout, stderr } = await stillhouse(
    'run',
    recipe,
    '--workers',
    '1',
    '--backend',
    'wasm',
    '--out',
    at('run'),
    '--json',
  );
  expect(code, stderr).toBe(0);
  summary = JSON.parse(stdout) as Summary;
});

describe('run --json', () => {
  it("prints the summary that the folder holds, with the worker's samples and where its time went", () => {
    const { seal, ...written } = JSON.parse(readFileSync(at('run/summary.json'), 'utf8')) as Record<string, unknown>;
    expect([summary, seal]).toEqual([written, expect.stringMatching(/^[0-9a-f]{64}$/)]);
    // 6 epochs of 150 samples, and an evaluation of the 150 after each.
    expect(summary.workers.map(({ samples }) => samples)).toEqual([1800]);
    expect(Object.keys(summary.workers[0]?.seconds ?? {})).toEqual(
      expect.arrayContaining(['labels', 'student', 'reduce', 'optimizer', 'wait']),
    );
  });
});

describe('eval', () => {
  it('finds the accuracy that the run reported, and agreement of a model with itself', async () => {
    const { code, stdout, stderr } = await stillhouse(
      'eval',
      at('run'),
      '--data',
      recipe,
      '--teacher',
      at('run/student/model.json'),
      '--against',
      at('run/student/model.json'),
      '--json',
    );
    expect(code, stderr).toBe(0);
    const report = JSON.parse(stdout) as Record<string, unknown>;
    expect(report).toMatchObject({
      accuracy: summary.student.accuracy,
      agreement: 1,
      against: { onlyFirst: 0, onlySecond: 0, difference: 0, p: 1 },
    });
    expect(Object.keys(report)).toEqual(expect.arrayContaining(['top5', 'loss', 'confusion']));
  });
});

describe('eval of a model that the recipe does not name', () => {
  it('takes it as the flags say', async () => {
    const raw = await stillhouse(
      'eval',
      at('run'),
      '--data',
      recipe,
      '--preprocess',
      '{ scale: 100, mean: [50] }',
      '--output',
      'probabilities',
    );
    expect([raw.code, raw.stderr]).toEqual([
      0,
      expect.stringMatching(/^warning: teacher run: its rows do not sum to 1, so it gives no probabilities/m),
    ]);
    const wrong = await stillhouse('eval', at('run'), '--data', recipe, '--preprocess', '{ scale: much }');
    expect([wrong.code, wrong.stderr]).toEqual([
      2,
      'stillhouse: --preprocess { scale: much }: "{ scale: NUMBER, mean: [NUMBERS], std: [NUMBERS] }" was wanted\n',
    ]);
  });
});

describe('a run on weighted target vectors', () => {
  it('is compared, evaluated and exported by the figures that fit', async () => {
    const job = at('numbers.yaml');
    writeFileSync(
      job,
      barsRecipe({ student: '{ builtin: mlp, hidden: [8] }', isWeighted: true })
        .replaceAll('labels: 64', 'targets: [64]')
        .replace('crossEntropy', 'regression')
        .replace('classes: 4', 'task: regression'),
    );
    const ended = await stillhouse('run', job, '--workers', '1', '--backend', 'wasm', '--out', at('numbers'));
    expect(ended.code, ended.stderr).toBe(0);
    expect(ended.stderr).toMatch(/epoch 6: loss \S+ \(regression \S+\), R2 \S+, MSE \S+, MAE \S+, \d+ samples\/s/);
    const { student: figures } = JSON.parse(readFileSync(at('numbers/summary.json'), 'utf8')) as {
      student: { r2: number; mse: number; mae: number };
    };
    expect(ended.stdout).toContain(`${figures.r2.toFixed(4)}  ${figures.mse.toPrecision(4)}`);
    const report = JSON.parse((await stillhouse('eval', at('numbers'), '--data', job, '--json')).stdout) as Record<
      string,
      number
    >;
    for (const name of ['r2', 'mse', 'mae'] as const) expect(report[name]).toBeCloseTo(figures[name], 5);
    expect((await stillhouse('verify', at('numbers'))).stdout).toMatch(/sound\n$/);
    await stillhouse('export', at('numbers'));
    expect(readFileSync(at('numbers/export/MODEL_CARD.md'), 'utf8')).toContain(`| ${figures.r2.toFixed(4)} |`);
  });
});

describe('a run on sequences', () => {
  it('is evaluated by positions and as a whole, and its accounts agree', async () => {
    const model = tf.sequential({
      layers: [
        tf.layers.conv1d({
          name: 'conv',
          filters: 6,
          kernelSize: 3,
          padding: 'same',
          activation: 'relu',
          inputShape: [5, 2],
        }),
        tf.layers.dense({ name: 'tags', units: 3 }),
      ],
    });
    writeFileSync(
      at('tagger.json'),
      JSON.stringify({
        format: 'layers-model',
        modelTopology: JSON.parse(JSON.stringify(model.toJSON(undefined, false))) as unknown,
      }),
    );
    const rows = Array.from({ length: 60 }, (_, id) => {
      const tokens = Array.from({ length: 5 }, (_unused, t) => (id * 7 + t * t * 3) % 4);
      const length = 2 + (id % 4);
      return JSON.stringify({
        x: tokens.map((token, t) => (t < length ? [token & 1, token >> 1] : [0, 0])),
        y: tokens.map((token, t) => (t < length ? Math.min(2, token) : -100)),
      });
    });
    writeFileSync(at('tags.jsonl'), rows.join('\n'));
    const source = '{ format: jsonl, inputs: tags.jsonl, column: x, labels: y, paddingLabel: -100 }';
    const job = at('tags.yaml');
    writeFileSync(
      job,
      `student: { model: tagger.json }\nlosses: { crossEntropy: { weight: 1 } }\ndata:\n  task: sequence\n  classNames: [a, b, c]\n  train: ${source}\n  eval: ${source}\noptimizer: { name: adam, learningRate: 0.02 }\nbatch: { size: 16, micro: 4 }\nepochs: 4\n`,
    );
    const ended = await stillhouse('run', job, '--workers', '1', '--backend', 'wasm', '--out', at('tags'));
    expect(ended.code, ended.stderr).toBe(0);
    expect(ended.stderr).toMatch(/epoch 4: .*, token accuracy \S+ %, exact match \S+ %,/);
    expect(ended.stdout).toMatch(/model +parameters +token accuracy +exact match/);
    const { student: figures } = JSON.parse(readFileSync(at('tags/summary.json'), 'utf8')) as {
      student: { accuracy: number; exactMatch: number };
    };
    const { stdout } = await stillhouse('eval', at('tags'), '--data', job, '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      positions: 210,
      sequences: 60,
      accuracy: figures.accuracy,
      exactMatch: figures.exactMatch,
    });
    // A step's count is of positions, more than its samples.
    expect((await stillhouse('verify', at('tags'))).stdout).toMatch(/\nsound\n$/);
  });
});

describe('compare', () => {
  const job = at('compare.yaml');
  const out = at('compare');
  const compare = (...more: string[]): Promise<Ended> =>
    stillhouse('compare', job, '--seeds', '2', '--workers', '1', '--backend', 'wasm', '--out', out, ...more);
  let first: Ended;

  beforeAll(async () => {
    writeFileSync(
      job,
      barsRecipe({
        student: '{ builtin: mlp, hidden: [6] }',
        teacher: 'run/student/model.json',
        more: 'ensemble: { allowChance: true }\n',
      }),
    );
    first = await compare('--json');
    expect(first.code, first.stderr).toBe(0);
  });

  it('gives the accuracy of both students for each seed, as the runs have them, and their difference', () => {
    const found = JSON.parse(first.stdout) as {
      seeds: { seed: number; alone: number; distilled: number }[];
      alone: { mean: number };
      difference: { mean: number; interval: object; p: number };
    };
    const summaries = [11, 12].map(
      (seed) =>
        JSON.parse(readFileSync(join(out, `seed-${seed}`, 'summary.json'), 'utf8')) as {
          student: { accuracy: number };
          baseline: { accuracy: number };
        },
    );
    expect(found.seeds.map(({ seed, alone, distilled }) => [seed, alone, distilled])).toEqual(
      summaries.map(({ student, baseline }, i) => [11 + i, baseline.accuracy, student.accuracy]),
    );
    expect(found.difference.mean).toBeCloseTo(
      summaries.reduce((sum, { student, baseline }) => sum + (student.accuracy - baseline.accuracy) / 2, 0),
      12,
    );
  });

  it('reads what is there when it is started again, and refuses what another recipe has left', async () => {
    const before = statSync(join(out, 'seed-12', 'journal.jsonl'));
    const again = await compare();
    expect(again.code, again.stderr).toBe(0);
    expect(again.stdout).toMatch(
      /student alone .*, distilled .*\ndifference [+-]\d+\.\d\d points; 95 % interval .* \(paired t-test over 2 seeds\)/,
    );
    expect(statSync(join(out, 'seed-12', 'journal.jsonl')).mtimeMs).toBe(before.mtimeMs);
    const other = await compare('--set', 'optimizer.learningRate=0.5');
    expect([other.code, other.stderr.trim().split('\n').at(-1)]).toEqual([
      2,
      expect.stringMatching(/seed-11: holds a finished run of another recipe; choose another --out$/),
    ]);
  });
});

describe('init', () => {
  it('writes a recipe in which nothing is wrong but that the files are not there yet, and never over another', async () => {
    const file = at('new.yaml');
    const first = await stillhouse('init', file);
    expect(first.code, first.stderr).toBe(0);
    const { code, stderr } = await stillhouse('validate', file);
    expect(code).toBe(2);
    expect(
      stderr
        .trim()
        .split('\n')
        .every((line) => line.endsWith('a file that is there, relative to the recipe, wanted')),
      stderr,
    ).toBe(true);
    writeFileSync(file, 'mine');
    expect(await stillhouse('init', file)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/something of that name is there; a new file/),
    });
    expect(readFileSync(file, 'utf8')).toBe('mine');
  });
});

describe('export', () => {
  it("writes a card that has the run's own figures and digests", async () => {
    const { code, stdout, stderr } = await stillhouse('export', at('run'), '--out', at('exported'));
    expect(code, stderr).toBe(0);
    expect(stdout.trim().split('\n').at(-1)).toBe(at('exported/MODEL_CARD.md'));
    const [card, { digest, recipeDigest }] = [
      readFileSync(at('exported/MODEL_CARD.md'), 'utf8'),
      JSON.parse(readFileSync(at('run/summary.json'), 'utf8')) as { digest: string; recipeDigest: string },
    ];
    for (const fact of [
      `${(100 * summary.student.accuracy).toFixed(2)} %`,
      `weights: ${digest}`,
      `recipe: ${recipeDigest}`,
      '30 steps of 32 samples, 900 samples in all',
      '`total = 0.5 x crossEntropy`',
    ])
      expect(card).toContain(fact);
  });
});

describe('export --format onnx', () => {
  it("writes a student that answers as the run's does", async () => {
    const { code, stderr } = await stillhouse('export', at('run'), '--format', 'onnx', '--out', at('onnx'));
    expect(code, stderr).toBe(0);
    const evaluated = await stillhouse(
      'eval',
      at('onnx/student.onnx'),
      '--data',
      recipe,
      '--teacher',
      at('run'),
      '--json',
    );
    expect(evaluated.code, evaluated.stderr).toBe(0);
    expect(JSON.parse(evaluated.stdout)).toMatchObject({ accuracy: summary.student.accuracy, agreement: 1 });
  });
});

describe('a teacher whose classes are in another order', () => {
  const mixedUp = (...more: string[]): Promise<Ended> =>
    stillhouse(
      'run',
      recipe,
      '--workers',
      '1',
      '--backend',
      'wasm',
      '--out',
      at('mixed'),
      '--set',
      'data.classNames=[a, b, c, d]',
      '--set',
      'losses.response={ weight: 1 }',
      '--set',
      `teachers=[{ name: t, model: ${at('run/student/model.json')}, classes: [b, c, d, a] }]`,
      ...more,
    );

  it('ends the run before step 1, each time that it is started', async () => {
    for (const _start of [1, 2]) {
      const { code, stderr } = await mixedUp();
      expect(stderr).toMatch(
        /^stillhouse: teacher t \(\S+ %\): no better than chance on 90 samples of 4 classes; other classes .* wanted, or ensemble\.allowChance: true$/m,
      );
      expect(code).toBe(65);
    }
    expect(readFileSync(at('mixed/journal.jsonl'), 'utf8')).not.toContain('"commit"');
  });

  it('teaches where the recipe allows it', async () => {
    const { code, stderr } = await mixedUp(
      '--set',
      'ensemble.allowChance=true',
      '--set',
      'epochs=1',
      '--out',
      at('allowed'),
    );
    expect(stderr).toContain('warning: teacher t');
    expect(code, stderr).toBe(0);
  });
});

describe('export', () => {
  it("writes the student's own bytes in each format", async () => {
    const { code, stdout, stderr } = await stillhouse(
      'export',
      at('run'),
      '--format',
      'tfjs,safetensors',
      '--out',
      at('exported'),
    );
    expect(code, stderr).toBe(0);
    expect(stdout.trim().split('\n')).toEqual(
      expect.arrayContaining([at('exported/model.json'), at('exported/student.safetensors')]),
    );
    for (const name of ['weights.bin', 'student.safetensors'])
      expect(readFileSync(at(`exported/${name}`)).equals(readFileSync(at(`run/student/${name}`)))).toBe(true);
  });

  it('and eval take nothing of a student that is no longer what the run wrote, nor of an export', async () => {
    const [damaged, copy] = [at('damaged'), at('damaged-export')];
    cpSync(at('run'), damaged, { recursive: true });
    cpSync(at('exported'), copy, { recursive: true });
    for (const file of [join(damaged, 'student/weights.bin'), join(copy, 'student.safetensors')]) {
      const bytes = readFileSync(file);
      bytes[bytes.length - 7] = (bytes[bytes.length - 7] ?? 0) ^ 4;
      writeFileSync(file, bytes);
    }
    const line = /weights\.bin is damaged: it is not what the run wrote there; put it back from a copy\n$/;
    const out = at('of-damaged');
    const exported = await stillhouse('export', damaged, '--format', 'safetensors', '--out', out);
    expect([exported.code, existsSync(out), exported.stderr]).toEqual([65, false, expect.stringMatching(line)]);
    const evaluated = await stillhouse('eval', damaged, '--data', recipe);
    expect([evaluated.code, evaluated.stderr]).toEqual([65, expect.stringMatching(line)]);
    const ofExport = await stillhouse('eval', join(copy, 'student.safetensors'), '--data', recipe);
    expect([ofExport.code, ofExport.stderr]).toEqual([
      65,
      expect.stringContaining('student.safetensors is damaged, by its SHA256SUMS; export it again'),
    ]);
  });

  it('refuses a format that it does not know', async () => {
    const { code, stderr } = await stillhouse('export', at('run'), '--format', 'pickle');
    expect([code, stderr]).toEqual([2, expect.stringMatching(/--format pickle: one of .*tfjs.* was wanted/)]);
  });
});

describe('validate', () => {
  it('says how many workers a step has room for, and warns of few', async () => {
    const good = await stillhouse('validate', recipe);
    expect([good.code, good.stdout]).toEqual([
      0,
      expect.stringContaining('M = 7 micro-batches a step: at most 7 workers can work on one'),
    ]);
    expect(good.stdout).toContain(`${summary.student.parameters} trained parameters`);
    const coarse = await stillhouse('validate', recipe, '--set', 'batch.micro=32');
    expect([coarse.code, coarse.stderr]).toEqual([
      0,
      expect.stringContaining('warning: fewer than four micro-batches'),
    ]);
  });

  it('says how many bytes a contribution takes, by compression', async () => {
    const bytesOf = async (...more: string[]): Promise<number> =>
      Number(/gradients: (\d+) bytes a contribution/.exec((await stillhouse('validate', recipe, ...more)).stdout)?.[1]);
    expect((await bytesOf('--set', 'compression=bf16')) / (await bytesOf())).toBeCloseTo(0.5, 2);
  });
});

describe('doctor and token', () => {
  it('say that wasm works here, and make a token of 256 bits', async () => {
    const doctor = await stillhouse('doctor', '--json');
    const checks = JSON.parse(doctor.stdout) as { name: string; state: string }[];
    expect(checks.find(({ name }) => name.includes('wasm'))?.state).toBe('ok');
    const [one, other] = [await stillhouse('token'), await stillhouse('token')];
    expect(Buffer.from(one.stdout.trim(), 'base64url')).toHaveLength(32);
    expect(one.stdout).not.toBe(other.stdout);
  });
});
