import { describe, expect, it } from 'vitest';
import { BlockPlan } from '../../../shared/labels/block-plan.js';
import { labelKey, labelsOf } from '../../../shared/labels/kinds.js';
import { areKept, labelSets } from '../../../shared/labels/sets.js';
import { firstSet, shards, sourceOf, teacherOf } from './fixtures.js';

const files = [{ name: 'wide.onnx', sha256: 'd'.repeat(64), bytes: 9 }];
const other = { samples: 1540, shape: [1, 2], dtype: 'float32' as const, shards };

const train = { format: 'npy', inputs: 'x.npy' };
const augmented = { data: { train, augment: { noise: 1, views: 4 } } };

describe('a label set', () => {
  it('has the same key for the same recipe, whatever the student, the optimizer, the seed and the order', () => {
    const again = sourceOf({
      student: { builtin: 'mlp', hidden: [9] },
      seed: 8,
      epochs: 3,
      optimizer: { name: 'adam', learningRate: 1 },
      data: { train: { format: 'npy', inputs: 'y.npy' }, shuffle: false },
    });
    expect(firstSet(again).key).toBe(firstSet().key);
  });

  it.each([
    ['another model', sourceOf({}, {}, [teacherOf({ files })])],
    ['another weight', sourceOf({}, {}, [teacherOf({ weight: 2 })])],
    ['a temperature of its own', sourceOf({}, {}, [teacherOf({ temperature: 2 })])],
    ['another output', sourceOf({}, {}, [teacherOf({ outputName: 'second' })])],
    ['probabilities', sourceOf({}, {}, [teacherOf({ output: 'probabilities' })])],
    ['another layout', sourceOf({}, {}, [teacherOf({ layout: 'nhwc' })])],
    ['one more teacher', sourceOf({}, {}, [teacherOf(), teacherOf({ name: 'deep' })])],
    ['another mixture', sourceOf({ ensemble: { combine: 'probabilities' } })],
    ['another temperature', sourceOf({ losses: { response: { weight: 1, temperature: 5 } } })],
    ['other rows of a forward', sourceOf({ batch: { size: 8, micro: 8 } })],
    ['another backend', sourceOf({ numerics: { backend: 'native' } })],
    ['other threads', sourceOf({ numerics: { threads: 2 } })],
    ['another precision', sourceOf({ labels: { precision: 'float16' } })],
    ['another k', sourceOf({ labels: { precision: 'top-k', k: 2 } })],
    ['other preprocessing', sourceOf({}, { preprocess: { scale: 1, mean: [0], std: [2] } })],
    ['some of the teachers', sourceOf({ ensemble: { subset: 1 } })],
    ['a specialist', sourceOf({}, {}, [teacherOf({ specialist: [1] })])],
    ['another shape', sourceOf({}, { train: other })],
    ['augmentation', sourceOf(augmented)],
  ])('misses with %s', (_case, changed) => {
    expect(firstSet(changed).key).not.toBe(firstSet().key);
  });

  it('misses with another number of teachers a sample, and with another seed where they are drawn', () => {
    const keys = [{ ensemble: { subset: 1 } }, { ensemble: { subset: 2 } }, { ensemble: { subset: 1 }, seed: 8 }].map(
      (changed) => firstSet(sourceOf(changed)).key,
    );
    expect(new Set(keys).size).toBe(3);
  });

  it('has a key of its own for each view, and misses with other operations and with another seed', () => {
    const keys = labelSets(sourceOf({ ...augmented, epochs: 9 })).map(({ key }) => key);
    expect(new Set(keys).size).toBe(4);
    expect(firstSet(sourceOf({ data: { train, augment: { noise: 1, views: 2 } } })).key).toBe(keys[0]);
    for (const changed of [
      { ...augmented, seed: 8 },
      { data: { train, augment: { noise: 2, views: 4 } } },
      { data: { train, augment: { noise: 1, fill: 1, views: 4 } } },
    ]) {
      expect(keys).not.toContain(firstSet(sourceOf(changed)).key);
    }
  });

  it('is wanted for no more views than there are epochs', () => {
    expect(labelSets(sourceOf({ ...augmented, epochs: 3 })).map(({ view }) => view)).toEqual([0, 1, 2]);
    // 1540 samples in batches of 8: 193 steps an epoch.
    for (const [steps, views] of [
      [193, 1],
      [194, 2],
      [9000, 4],
    ] as const)
      expect(labelSets(sourceOf({ ...augmented, epochs: undefined, steps }))).toHaveLength(views);
  });

  it('is kept where it can be wanted again: with a fixed number of views, and no mixtures', () => {
    const kept = (augment?: unknown): boolean => areKept(sourceOf({ data: { train, augment } }).recipe);
    expect([kept(), kept({ noise: 1, views: 2 }), kept({ noise: 1 }), kept({ noise: 1, mixup: 1, views: 2 })]).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  it('has a key of its own for each of two values of k', () => {
    const [two, three] = [2, 3].map((k) => firstSet(sourceOf({ labels: { precision: 'top-k', k } })).key);
    expect(two).not.toBe(three);
  });

  it('is wanted only where there are teachers and a loss on soft labels', () => {
    expect(labelSets(sourceOf({}, {}, []))).toEqual([]);
    expect(labelSets(sourceOf({ losses: { crossEntropy: { weight: 1 } } }))).toEqual([]);
  });

  it('is named by its kind: mixtures by temperature, teachers by name', () => {
    const kinds = [
      { kind: 'mixture', temperature: 4 },
      { kind: 'logits' },
      { kind: 'teachers' },
      { kind: 'mixture', temperature: 4 },
    ] as const;
    expect(
      labelsOf(
        kinds,
        ['a', 'b'].map((name) => ({ name, weight: 1 })),
      ).map(labelKey),
    ).toEqual(['T=4', 'logits', 'teacher:a', 'teacher:b']);
    expect(new Set(labelSets(sourceOf(), kinds).map(({ key }) => key)).size).toBe(3);
  });
});

describe('a block plan', () => {
  it('cuts shards into blocks that never cross them, named by shard and place', () => {
    const plan = new BlockPlan(sourceOf().manifest.train, 12);
    expect(plan.blocks).toEqual([
      { name: `${'a'.repeat(64)}-0-1024`, shard: 'a'.repeat(64), from: 0, first: 0, rows: 1024 },
      { name: `${'a'.repeat(64)}-1024-476`, shard: 'a'.repeat(64), from: 1024, first: 1024, rows: 476 },
      { name: `${'b'.repeat(64)}-0-40`, shard: 'b'.repeat(64), from: 0, first: 1500, rows: 40 },
    ]);
    const ids = [0, 1023, 1024, 1499, 1500, 1539];
    expect(ids.map((id) => plan.locate(id))).toEqual([0, 0, 1, 1, 2, 2]);
    expect(ids.map((id) => plan.rowOf(id))).toEqual([0, 1023, 0, 475, 0, 39]);
    expect(() => plan.at(3)).toThrow(new RangeError('label block 3 of 3'));
    expect(plan.samples).toBe(1540);
  });

  it('makes blocks of big rows shorter', () => {
    expect(new BlockPlan(sourceOf().manifest.train, 100_000).blocks[0]?.rows).toBe(32);
  });
});

describe('the labels of single teachers', () => {
  const byTeacher = (overrides: Record<string, unknown>, teachers: ReturnType<typeof teacherOf>[]) =>
    labelSets(sourceOf({ labels: { keep: 'auto' }, ...overrides }, {}, teachers));
  const wide = teacherOf();
  const deep = teacherOf({ name: 'deep', files: [{ name: 'deep.onnx', sha256: 'd'.repeat(64), bytes: 9 }] });
  const keyOf = (overrides: Record<string, unknown>, ...teachers: ReturnType<typeof teacherOf>[]) =>
    byTeacher(overrides, teachers)[0]?.key;

  it('are a set for each teacher, whatever the losses make of them', () => {
    const losses = { response: { weight: 1, temperature: 2 }, logitMse: { weight: 1 } };
    expect(byTeacher({ losses }, [wide, deep]).map(({ name }) => name)).toEqual(['teacher:wide', 'teacher:deep']);
  });

  it.each([
    ['another temperature', { losses: { response: { weight: 1, temperature: 2 } } }, [wide]],
    ['another combination', { ensemble: { combine: 'probabilities' } }, [wide]],
    ['weights for each sample', { ensemble: { weights: { by: 'entropy' } } }, [wide]],
    ['another weight', {}, [teacherOf({ weight: 3 })]],
    ['another temperature of its own', {}, [teacherOf({ temperature: null })]],
    ['another name', {}, [teacherOf({ name: 'broad' })]],
    ['another teacher beside it', {}, [wide, deep]],
  ] as const)('have the same key with %s', (_what, overrides, teachers) => {
    expect(keyOf(overrides, ...teachers)).toBe(keyOf({}, wide));
  });

  it.each([
    ['another model', {}, [deep]],
    ['another output', {}, [teacherOf({ output: 'probabilities' })]],
    ['other rows of a forward', { batch: { size: 8, micro: 8 } }, [wide]],
    ['another precision', { labels: { keep: 'auto', precision: 'float16' } }, [wide]],
    ['the mixture kept', { labels: { keep: 'mixture' } }, [wide]],
  ] as const)('have another key with %s', (_what, overrides, teachers) => {
    expect(keyOf(overrides, ...teachers)).not.toBe(keyOf({}, wide));
  });

  it('are not those of a teacher without a weight, which no mixture counts', () => {
    expect(byTeacher({}, [wide, teacherOf({ name: 'eval', weight: 0 })]).map(({ name }) => name)).toEqual([
      'teacher:wide',
    ]);
  });

  it('lie apart where two teachers are one model', () => {
    const keys = byTeacher({}, [wide, teacherOf({ name: 'again', weight: 2 })]).map(({ key }) => key);
    expect(new Set(keys).size).toBe(2);
  });

  it.each([
    ['top-k', { labels: { precision: 'top-k' } }, [wide], 3],
    ['a subset of the teachers for each sample', { ensemble: { subset: 1 } }, [wide, deep], 3],
    ['a specialist', {}, [wide, teacherOf({ name: 'expert', specialist: [1] })], 3],
    ['long rows', {}, [wide], 257],
  ] as const)('are not kept, but the mixture, with %s', (_what, overrides, teachers, classes) => {
    const labels = { keep: 'auto', ...('labels' in overrides ? overrides.labels : {}) };
    const sets = labelSets(sourceOf({ ...overrides, labels }, { classes }, [...teachers]));
    expect(sets.map(({ name }) => name)).toEqual(['T=4']);
  });
});
