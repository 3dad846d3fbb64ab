import { dirname, join } from 'node:path';
import type { LayersModel } from '@tensorflow/tfjs';
import { InferenceSession } from 'onnxruntime-node';
import { describe, expect, it, vi } from 'vitest';
import type { Label } from '../../../../shared/labels/kinds.js';
import type { TeacherSpec } from '../../../../shared/protocol/messages.js';
import { randomStream } from '../../../../shared/random.js';
import { Ensemble } from '../../../../worker/compute/teachers/ensemble.js';
import { normalise } from '../../../../shared/data/samples.js';
import { rescaleOf } from '../../../../worker/compute/teachers/preprocess.js';
import { teachersOf, type SampleView } from '../../../../worker/compute/teachers/routing.js';
import { mix } from '../../../../shared/ensemble/mixture.js';
import {
  describeTeacher,
  makeLayersModel,
  noTensorFlow,
  openTensorFlow,
  reference,
  referenceFolder,
  saveGraphModel,
  saveLayersModel,
  type SpecAndFiles,
  temporaryFolder,
  tinyOnnx,
} from './fixtures.js';

const { shape, rows, classes } = reference;
const size = shape.reduce((a, b) => a * b, 1);
const inputs = Float32Array.from(reference.inputs);

async function layersTeacher(fields: Partial<TeacherSpec> = {}): Promise<SpecAndFiles> {
  await openTensorFlow();
  const path = await saveLayersModel(makeLayersModel(), temporaryFolder());
  return describeTeacher([path, join(dirname(path), 'a.bin'), join(dirname(path), 'b.bin')], {
    name: 'layers',
    format: 'layers-model',
    ...fields,
  });
}

function graphTeacher(fields: Partial<TeacherSpec> = {}): SpecAndFiles {
  const { path } = saveGraphModel(temporaryFolder());
  return describeTeacher([path, join(dirname(path), 'w.bin')], { name: 'graph', format: 'graph-model', ...fields });
}

function open(
  teachers: readonly SpecAndFiles[],
  options: Partial<Parameters<typeof Ensemble.open>[2]> = {},
): Promise<Ensemble> {
  const files = new Map(teachers.flatMap((teacher) => [...teacher.files]));
  return Ensemble.open(
    teachers.map((teacher) => teacher.spec),
    files,
    { combine: 'logits', rows: 4, inputShape: shape, openTensorFlow, ...options },
  );
}

const views: SampleView[] = Array.from({ length: rows }, (_, row) => ({ shard: 'a', row, view: 0, label: row % 3 }));

/** `count` noise samples. */
function noise(count: number, key: string): Float32Array {
  const stream = randomStream([key]);
  return Float32Array.from({ length: count * size }, () => stream.float() * 4 - 2);
}

function closeTo(actual: ArrayLike<number>, wanted: ArrayLike<number>, tolerance = 1e-5): void {
  expect(actual.length).toBe(wanted.length);
  expect(Math.max(...Array.from(actual, (value, i) => Math.abs(value - (wanted[i] ?? Number.NaN))))).toBeLessThan(
    tolerance,
  );
}

describe('a teacher with a canary', () => {
  it('is refused where it gives something else than where the run was prepared', async () => {
    const canary = [
      0.13178540766239166, -0.08927380293607712, 0.023234635591506958, -0.12960481643676758, 0.025868065655231476,
    ];
    await expect(open([tinyOnnx({ canary: canary.map((value) => 2 * value) })])).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringMatching(/^teacher tiny: on a known sample it gives/),
    });
  });

  it('is asked again and again while it works, and gives the same', async () => {
    const ensemble = await open([tinyOnnx()]);
    for (let i = 0; i < 300; i++) await ensemble.softLabels(inputs.subarray(0, size), 1);
    closeTo((await ensemble.logits(inputs, rows)).get('tiny') ?? [], reference.logits);
  });
});

describe('a teacher that learns while it labels', () => {
  it('is an error, also where its answers to the canary stay as they were', async () => {
    const tf = await openTensorFlow();
    const models: LayersModel[] = [];
    const remember = {
      ...tf,
      loadLayersModel: async (...from: Parameters<typeof tf.loadLayersModel>) => {
        const model = await tf.loadLayersModel(...from);
        models.push(model);
        return model;
      },
    };
    const ensemble = await open([await layersTeacher()], { openTensorFlow: async () => remember });
    const label = async (times: number): Promise<void> => {
      for (let i = 0; i < times; i++) await ensemble.softLabels(inputs.subarray(0, size), 1);
    };
    await label(300);
    // A bias so small that no sum shows it.
    const [bias] = models[0]?.layers.at(-1)?.weights.filter(({ originalName }) => originalName.includes('bias')) ?? [];
    bias?.write(bias.read().add(1e-30));
    await expect(label(256)).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringMatching(/^teacher layers: its weights have changed/),
    });
  });
});

describe('an ONNX teacher', () => {
  it('gives the logits of the PyTorch model that it was exported from, without tfjs', async () => {
    const ensemble = await open([tinyOnnx()], { openTensorFlow: noTensorFlow });
    closeTo((await ensemble.logits(inputs, rows)).get('tiny') ?? [], reference.logits);
  });

  it('runs when its weights lie in a second file', async () => {
    const external = describeTeacher([join(referenceFolder, 'external.onnx'), join(referenceFolder, 'external.bin')], {
      format: 'onnx',
      layout: 'nchw',
    });
    closeTo((await (await open([external])).logits(inputs, rows)).get('tiny') ?? [], reference.logits);
  });

  it('runs three rows at a time when its batch is fixed at three', async () => {
    closeTo(
      (await (await open([tinyOnnx({}, 'three-rows.onnx')])).logits(inputs, rows)).get('tiny') ?? [],
      reference.logits,
    );
  });

  it('gives log-probabilities for the output that the recipe names', async () => {
    const ensemble = await open([
      tinyOnnx({ outputName: 'probabilities', output: 'probabilities' }, 'two-outputs.onnx'),
    ]);
    const wanted = mix(
      'logits',
      [{ logits_BC: Float32Array.from(reference.logits), weight: 1, temperature: 1 }],
      classes,
    );
    closeTo((await ensemble.logits(inputs, rows)).get('tiny') ?? [], wanted);
  });
});

describe('a LayersModel teacher', () => {
  it('runs in inference mode, as predict does', async () => {
    const ensemble = await open([await layersTeacher()]);
    const tf = await openTensorFlow();
    const wanted = makeLayersModel().predict(tf.tensor(inputs, [rows, ...shape]));
    if (Array.isArray(wanted)) throw new Error('one output');
    closeTo((await ensemble.logits(inputs, rows)).get('layers') ?? [], wanted.dataSync());
  });

  it('leaves no tensor behind', async () => {
    const ensemble = await open([await layersTeacher(), graphTeacher()]);
    const tf = await openTensorFlow();
    await ensemble.softLabels(inputs, rows);
    const before = tf.memory().numTensors;
    await ensemble.softLabels(inputs, rows);
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('a GraphModel teacher', () => {
  it('gives its output as log-probabilities when it gives probabilities', async () => {
    const { kernel } = saveGraphModel(temporaryFolder());
    const raw = Float32Array.from({ length: rows * classes }, (_, i) => {
      const [row, k] = [Math.floor(i / classes), i % classes];
      return inputs
        .subarray(row * size, (row + 1) * size)
        .reduce((sum, x, j) => sum + x * (kernel[j * classes + k] ?? 0), 0);
    });
    const wanted = mix('logits', [{ logits_BC: raw, weight: 1, temperature: 1 }], classes);
    const ensemble = await open([graphTeacher({ output: 'probabilities' })]);
    closeTo((await ensemble.logits(inputs, rows)).get('graph') ?? [], wanted);
  });

  it('gives the logit of each label by itself when it gives probabilities of several', async () => {
    const independent =
      (await (await open([graphTeacher({ output: 'independent' })])).logits(inputs, rows)).get('graph') ?? [];
    const logs =
      (await (await open([graphTeacher({ output: 'probabilities' })])).logits(inputs, rows)).get('graph') ?? [];
    closeTo(
      independent,
      logs.map((logp) => logp - Math.log1p(-Math.exp(logp))),
    );
  });

  it('warns of probabilities of several labels that are none', async () => {
    const warnings: string[] = [];
    await (
      await open([graphTeacher({ output: 'independent', outputName: 'logits' })], {
        warn: (line) => warnings.push(line),
      })
    ).logits(inputs, rows);
    expect(warnings).toEqual([
      'teacher graph: its outputs are not all from 0 to 1, so it gives no probabilities; remove "output: probabilities" from the recipe',
    ]);
  });

  it('gives the inner node that the recipe names', async () => {
    const ensemble = await open([graphTeacher({ outputName: 'logits' })]);
    const [first = 0] = (await ensemble.logits(inputs, rows)).get('graph') ?? [];
    const { kernel } = saveGraphModel(temporaryFolder());
    expect(first).toBeCloseTo(
      inputs.subarray(0, size).reduce((sum, x, j) => sum + x * (kernel[j * classes] ?? 0), 0),
      4,
    );
  });
});

const mixtureAt = (temperature: number): Label => ({ kind: 'mixture', temperature });

describe('Ensemble', () => {
  const three = async () => [
    tinyOnnx({ weight: 2 }),
    await layersTeacher({ temperature: 2 }),
    graphTeacher({ output: 'probabilities', weight: 0.5, temperature: 7 }),
  ];

  it.each(['logits', 'probabilities'] as const)(
    'mixes three formats by their weights and temperatures, from %s',
    async (combine) => {
      const ensemble = await open(await three(), { combine });
      const logits = await ensemble.logits(inputs, rows);
      const parts = [
        ['tiny', 2, 4],
        ['layers', 1, 2],
        ['graph', 0.5, 7],
      ] as const;
      const wanted = mix(
        combine,
        parts.map(([name, weight, temperature]) => ({
          logits_BC: logits.get(name) ?? new Float32Array(0),
          weight: weight / 3.5,
          temperature,
        })),
        classes,
      );
      expect(await ensemble.softLabels(inputs, rows)).toEqual(wanted);
      expect(ensemble.mixture(logits)).toEqual(wanted);
    },
  );

  it.each([4, 16, 32])(
    'gives a row the same bits at any place and with any neighbours, %i rows a forward',
    async (fixed) => {
      const ensemble = await open(await three(), { rows: fixed });
      const sample = noise(1, 'sample');
      const [alone] = [await ensemble.softLabels(sample, 1)];
      for (let place = 0; place < 40; place += 3) {
        const crowd = noise(40, `crowd ${place}`);
        crowd.set(sample, place * size);
        const labels = await ensemble.softLabels(crowd, 40);
        expect(Buffer.from(labels.slice(place * classes, (place + 1) * classes).buffer)).toEqual(
          Buffer.from(alone.buffer),
        );
      }
    },
  );

  it('gives labels of every kind from one forward', async () => {
    const ensemble = await open(await three());
    const [found, logits] = [
      await ensemble.labels([mixtureAt(2), { kind: 'logits' }, { kind: 'teacher', teacher: 'tiny' }], inputs, views),
      await ensemble.logits(inputs, rows),
    ];
    expect(found.get('T=2')).toEqual(await ensemble.softLabels(inputs, rows));
    expect(found.get('teacher:tiny')).toEqual(logits.get('tiny'));
    expect(found.get('logits')).toHaveLength(rows * classes);
  });

  it('softens a teacher without a temperature by what is asked for, and leaves the others their own, be it the same', async () => {
    const follows = await open([tinyOnnx({ temperature: null })], { temperature: 4 });
    const own = await open([tinyOnnx({ temperature: 4 })], { temperature: 4 });
    const [soft] = [await (await open([tinyOnnx({ temperature: 9 })])).softLabels(inputs, rows)];
    expect(await follows.softLabels(inputs, rows)).toEqual(await own.softLabels(inputs, rows));
    expect((await follows.labels([mixtureAt(9)], inputs, views)).get('T=9')).toEqual(soft);
    expect((await own.labels([mixtureAt(9)], inputs, views)).get('T=9')).toEqual(await own.softLabels(inputs, rows));
  });

  it.each(['logits', 'probabilities'] as const)(
    'mixes for each sample the teachers that are drawn for it, with their weights normalised (%s)',
    async (combine) => {
      const subset = { size: 2, seed: 5 };
      const teachers = await three();
      const [ensemble, all] = [await open(teachers, { combine, subset }), await open(teachers, { combine })];
      const crowd = noise(12, 'routed');
      const samples = Array.from({ length: 12 }, (_, row) => ({ shard: 'a', row, view: 0, label: -1 }));
      const logits = await all.logits(crowd, 12);
      const found = await ensemble.labels([mixtureAt(2), { kind: 'logits' }], crowd, samples);
      const specs = teachers.map(({ spec }) => spec);
      for (const [row, sample] of samples.entries()) {
        const own = teachersOf(sample, specs, subset).map((i) => specs[i]);
        const sum = own.reduce((total, spec) => total + (spec?.weight ?? 0), 0);
        const outputs = own.map((spec) => ({
          logits_BC: (logits.get(spec?.name ?? '') ?? new Float32Array(0)).subarray(row * classes, (row + 1) * classes),
          weight: (spec?.weight ?? 0) / sum,
          temperature: spec?.temperature ?? 2,
        }));
        expect(found.get('T=2')?.subarray(row * classes, (row + 1) * classes)).toEqual(mix(combine, outputs, classes));
        closeTo(
          found.get('logits')?.subarray(row * classes, (row + 1) * classes) ?? [],
          Array.from({ length: classes }, (_, k) =>
            outputs.reduce((total, { logits_BC, weight }) => total + weight * (logits_BC[k] ?? 0), 0),
          ),
        );
      }
      // A sample's label does not depend on its neighbours.
      expect(
        (await ensemble.labels([mixtureAt(2)], crowd.subarray(size * 4, size * 5), samples.slice(4, 5))).get('T=2'),
      ).toEqual(found.get('T=2')?.subarray(4 * classes, 5 * classes));
    },
  );

  it('of which all are drawn gives the bits of the whole ensemble', async () => {
    const teachers = await three();
    const [drawn, whole] = [await open(teachers, { subset: { size: 3, seed: 5 } }), await open(teachers)];
    expect(await drawn.labels([mixtureAt(2), { kind: 'logits' }], inputs, views)).toEqual(
      await whole.labels([mixtureAt(2), { kind: 'logits' }], inputs, views),
    );
  });

  it('runs each teacher on the samples that it labels, and no others', async () => {
    const teachers = ['a', 'b', 'c'].map((name) => tinyOnnx({ name }));
    const samples = Array.from({ length: 30 }, (_, row) => ({ shard: 'a', row, view: 0, label: -1 }));
    const forwards: number[] = [];
    const { prototype } = InferenceSession as unknown as { prototype: InferenceSession };
    for (const rule of [{}, { subset: { size: 1, seed: 5 } }]) {
      const ensemble = await open(teachers, { rows: 1, ...rule });
      const run = vi.spyOn(prototype, 'run');
      await ensemble.labels([mixtureAt(2)], noise(30, 'counted'), samples);
      forwards.push(run.mock.calls.length);
      run.mockRestore();
    }
    expect(forwards).toEqual([90, 30]);
  });

  it('lets a specialist label the samples of its classes, beside the others, and take no part in what has no label', async () => {
    const [tiny, layers] = [tinyOnnx(), await layersTeacher({ specialist: [1] })];
    const [ensemble, alone, both] = [
      await open([tiny, layers]),
      await open([tiny]),
      await open([tiny, await layersTeacher()]),
    ];
    const found = await ensemble.labels([mixtureAt(2)], inputs, views);
    const [one, two] = [
      await alone.labels([mixtureAt(2)], inputs, views),
      await both.labels([mixtureAt(2)], inputs, views),
    ];
    for (const [row, { label }] of views.entries()) {
      const of = (labels: Map<string, Float32Array>): Float32Array | undefined =>
        labels.get('T=2')?.subarray(row * classes, (row + 1) * classes);
      expect(of(found)).toEqual(of(label === 1 ? two : one));
    }
    const unlabelled = views.map((view) => ({ ...view, label: -1 }));
    expect(await ensemble.labels([mixtureAt(2)], inputs, unlabelled)).toEqual(one);
    expect(ensemble.mixture(await ensemble.logits(inputs, rows))).toEqual(
      alone.mixture(await alone.logits(inputs, rows)),
    );
    await expect(open([await layersTeacher({ specialist: [1] })])).rejects.toThrow('all weights are 0');
  });

  it('does not ask a teacher of weight 0 for soft labels, but reports its logits', async () => {
    const ensemble = await open([tinyOnnx(), await layersTeacher({ weight: 0 })]);
    const alone = await open([tinyOnnx()]);
    expect(await ensemble.softLabels(inputs, rows)).toEqual(await alone.softLabels(inputs, rows));
    expect([...(await ensemble.logits(inputs, rows)).keys()]).toEqual(['tiny', 'layers']);
  });

  it('has another digest for other weights, temperatures, rows and forms', async () => {
    const ensembles = await Promise.all([
      open([tinyOnnx()]),
      open([tinyOnnx({ weight: 2 })]),
      open([tinyOnnx({ temperature: 5 })]),
      open([tinyOnnx()], { rows: 8 }),
      open([tinyOnnx()], { combine: 'probabilities' }),
    ]);
    expect(new Set(ensembles.map((ensemble) => ensemble.digest)).size).toBe(5);
    expect((await open([tinyOnnx()])).digest).toBe(ensembles[0].digest);
  });

  it('warns once when rows of declared logits sum to 1', async () => {
    const lines: string[] = [];
    const ensemble = await open([tinyOnnx({ outputName: 'probabilities' }, 'two-outputs.onnx')], {
      warn: (text) => lines.push(text),
    });
    await ensemble.softLabels(inputs, rows);
    await ensemble.softLabels(inputs, rows);
    expect(lines).toEqual([
      'teacher tiny: its rows sum to 1, so it gives probabilities; if it does, add "output: probabilities" to the recipe',
    ]);
  });

  it("brings a teacher's classes into the data's order", async () => {
    const ensemble = await open([tinyOnnx({ classes: 3, classMap: { outputs: 5, order: [1, 4, 0] } })]);
    const wanted = Array.from({ length: rows }, (_, row) =>
      [1, 4, 0].map((k) => reference.logits[row * classes + k] ?? 0),
    ).flat();
    closeTo((await ensemble.logits(inputs, rows)).get('tiny') ?? [], wanted);
    expect(await ensemble.softLabels(inputs, rows)).toHaveLength(rows * 3);
  });

  it('gives a teacher the samples with its own preprocessing, and another digest', async () => {
    const own = { scale: 0.5, mean: [0.3, -0.2], std: [2, 0.7] };
    const student = { scale: 1 / 255, mean: [0.5], std: [0.25, 0.5] };
    const raw = Float32Array.from({ length: rows * size }, (_, i) => (i * 37) % 256);
    const [forStudent, forTeacher] = [raw.slice(), raw.slice()];
    normalise(forStudent, 2, student);
    normalise(forTeacher, 2, own);
    const [ensemble, plain] = await Promise.all([
      open([tinyOnnx({ rescale: rescaleOf('tiny', own, student, { samples: 2, model: 2 }) }), graphTeacher()]),
      open([tinyOnnx(), graphTeacher()]),
    ]);
    const found = await ensemble.logits(forStudent, rows);
    const wanted = (await plain.logits(forTeacher, rows)).get('tiny') ?? new Float32Array(0);
    const greatest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    closeTo(
      (found.get('tiny') ?? new Float32Array(0)).map((value) => value / greatest),
      wanted.map((value) => value / greatest),
    );
    expect(found.get('graph')).toEqual((await plain.logits(forStudent, rows)).get('graph'));
    expect(ensemble.digest).not.toBe(plain.digest);
  });

  it('refuses weights that are all 0', async () => {
    await expect(open([tinyOnnx({ weight: 0 })])).rejects.toMatchObject({ exitCode: 2, message: /all weights are 0/ });
  });

  it('refuses samples of another shape, exit code 65', async () => {
    await expect(open([tinyOnnx()], { inputShape: [4, 4, 2] })).rejects.toMatchObject({
      exitCode: 65,
      message: /its samples are \[2, 4, 3\]; the data's are \[4, 4, 2\]/,
    });
  });
});
