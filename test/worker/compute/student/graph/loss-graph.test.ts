/** The losses of a student's graph against the same losses in JavaScript, which are held against PyTorch elsewhere. */
import { describe, expect, it } from 'vitest';
import type { Tensor } from 'onnxruntime-node';
import type { Activation } from '../../../../../shared/losses/math/activation.js';
import type { BuiltInLoss } from '../../../../../shared/losses/table.js';
import { must } from '../../../../../shared/must.js';
import { lossSchema, type Losses } from '../../../../../shared/recipe/loss-schema.js';
import { lossesAt } from '../../../../../shared/recipe/schedules.js';
import { tapPairs } from '../../../../../shared/recipe/terms.js';
import type { Targets } from '../../../../../worker/compute/contract.js';
import { SoftLabels } from '../../../../../worker/compute/labels/soft-labels.js';
import { applicableTerms, totalLoss } from '../../../../../worker/compute/losses/total.js';
import type { OnnxModel } from '../../../../../worker/compute/onnx/graph.js';
import { formedTerms } from '../../../../../worker/compute/student/graph/losses/forms.js';
import { LossFeeds } from '../../../../../worker/compute/student/graph/losses/loss-feeds.js';
import { lossGraph, type LossValue } from '../../../../../worker/compute/student/graph/losses/loss-graph.js';
import { doublesOf, floatsOf, openSession, tensorMaker } from '../../../../../worker/compute/student/graph/session.js';
import { lossNames, lossOf, vectorTaskOf } from '../../losses/rows.js';
import { noise } from '../students.js';

const [rows, classes] = [4, 5];
const divisor = 7;
/** What is left of float64 where a value is 0. */
const rounding = 1e-15;
const withoutForm: readonly BuiltInLoss[] = ['relational', 'similarity', 'probabilistic', 'selectivity', 'correlation'];
const formed = lossNames.filter((name) => !withoutForm.includes(name));

/** What a student gives by the names of its taps, and the teachers'. */
type Taps = Readonly<Record<string, Activation>>;

interface Setting {
  readonly losses: Losses;
  readonly answer: Float32Array;
  readonly targets: Targets;
  readonly taps?: Taps;
}

interface Found {
  readonly sums: Readonly<Record<string, number>>;
  /** By what the student gives. */
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

const exits = [noise([rows, classes], 'exit 0'), noise([rows, classes], 'exit 1')];
const tapOf = (taps: Taps | undefined, name: string): Activation => must(new Map(Object.entries(taps ?? {})), name);
const stepOf = (losses: Losses) => {
  const now = lossesAt(losses);
  return { losses: now, divisors: Object.fromEntries(now.map(({ name }) => [name, divisor])) };
};

function inJavaScript({ losses, answer, targets, taps }: Setting): Found {
  const pairs = tapPairs(losses).map(({ key, student, teacher, to }) => {
    const other = teacher === null ? tapOf(taps, to ?? '') : must(targets.activations ?? new Map(), teacher);
    return [key, { student: tapOf(taps, student), teacher: other }] as const;
  });
  const loss = totalLoss({ logits_BC: answer, classes, exits, pairs: new Map(pairs) }, targets, stepOf(losses));
  return {
    sums: loss.sums,
    gradients: new Map([
      ['answer', loss.gradient_BC],
      ...loss.exitGradients.flatMap((values, i) => (values === null ? [] : [[`exit ${i}`, values] as const])),
      ...loss.pairGradients,
    ]),
  };
}

async function inGraph({ losses, answer, targets, taps }: Setting): Promise<Found> {
  const make = await tensorMaker();
  const given = new Map<string, { readonly values: Float32Array; readonly shape: readonly number[] }>();
  const put = (name: string, values: Float32Array, shape: readonly number[]): LossValue => {
    given.set(name, { values, shape: [rows, ...shape] });
    return { name, shape: [rows, ...shape] };
  };
  const pairs = tapPairs(losses).map((pair) => {
    const { values, shape } = tapOf(taps, pair.student);
    return { pair, value: put(pair.key, values, shape) };
  });
  const later = [...new Set(pairs.flatMap(({ pair }) => pair.to ?? []))];
  const terms = formedTerms(losses, classes) ?? [];
  const graph = lossGraph(
    terms,
    {
      answer: put('answer', answer, [classes]),
      exits: exits.map((values, i) => put(`exit ${i}`, values, [classes])),
      pairs,
      later: new Map(later.map((name) => [name, put(name, tapOf(taps, name).values, tapOf(taps, name).shape)])),
    },
    {
      rows,
      lead: 1,
      classes,
      taps: new Map([...(targets.activations ?? [])].map(([path, { shape }]) => [path, shape])),
    },
  );
  const taken = new Set(graph.nodes.flatMap(({ inputs }) => inputs));
  const own = [...given].filter(([name]) => taken.has(name));
  const valuesOf = graph.terms.flatMap(({ name, values }) => (values === null ? [] : [[name, values] as const]));
  const model: OnnxModel = {
    operatorSets: new Map([['', 18]]),
    graph: {
      nodes: graph.nodes,
      constants: graph.constants,
      inputs: [
        ...own.map(([name, { shape }]) => ({ name, type: 'float32' as const, shape })),
        ...[...graph.inputs].map(([name, value]) => ({ name, ...value })),
      ],
      outputs: [...graph.seeds.values(), ...valuesOf.map(([, name]) => name)].map((name) => ({ name })),
    },
  };
  const session = await openSession(model);
  const inputs = new Map([...graph.inputs].map(([name, value]) => [name, make(value)] as const));
  const values = new Map(valuesOf.map(([name]) => [name, new Float64Array(rows)]));
  const memory = {
    inputs: new Map([...inputs].map(([name, { data }]) => [name, data as Float32Array | Float64Array])),
    values,
  };
  const feeds = new LossFeeds({ formed: terms, terms: graph.terms }, memory, { rows, classes });
  const applicable = applicableTerms(targets, stepOf(losses));
  // What is left in the memory by a micro-batch before does not count.
  for (const one of memory.inputs.values()) one.fill(NaN);
  feeds.give(targets, applicable);
  const results = new Map<string, Tensor>(
    Object.entries(
      await session.run(
        Object.fromEntries([
          ...own.map(([name, one]) => [name, make({ type: 'float32', shape: one.shape }, one.values)] as const),
          ...inputs,
        ]),
      ),
    ),
  );
  await session.release();
  for (const [term, name] of valuesOf) must(values, term).set(doublesOf(must(results, name)));
  return {
    sums: feeds.sums(targets, applicable),
    gradients: new Map([...graph.seeds].map(([name, seed]) => [name, floatsOf(must(results, seed))])),
  };
}

const largest = (values: Iterable<number>): number => Math.max(0, ...[...values].map(Math.abs));

async function expectEqual(setting: Setting): Promise<Found> {
  const [expected, found] = [inJavaScript(setting), await inGraph(setting)];
  for (const [name, value] of Object.entries(found.sums)) {
    const wanted = expected.sums[name] ?? NaN;
    expect(Math.abs(value - wanted), name).toBeLessThanOrEqual(1e-6 * Math.abs(wanted) + rounding);
  }
  const terms = lossesAt(setting.losses).map(({ name }) => name);
  for (const name of terms) expect(name in found.sums, name).toBe(name in expected.sums);
  for (const [name, wanted] of expected.gradients) {
    const values = found.gradients.get(name) ?? new Float32Array(wanted.length);
    expect(values).toHaveLength(wanted.length);
    const off = largest(wanted.map((slope, i) => slope - (values[i] ?? NaN)));
    expect(off, name).toBeLessThanOrEqual(1e-6 * largest(wanted) + rounding);
  }
  return found;
}

const labels = Int32Array.of(2, -1, 0, 4);
const maps: Taps = {
  a: { values: noise([rows, 5, 4, 3], 'a'), shape: [5, 4, 3] },
  b: { values: noise([rows, 2, 2, 3], 'b'), shape: [2, 2, 3] },
  steps: { values: noise([rows, 6, 3], 'steps'), shape: [6, 3] },
  flat: { values: noise([rows, 6], 'flat'), shape: [6] },
};
const activations = new Map<string, Activation>([
  ['t/small', { values: noise([rows, 3, 2, 3], 'small'), shape: [3, 2, 3] }],
  ['t/large', { values: noise([rows, 4, 7, 3], 'large'), shape: [4, 7, 3] }],
  ['t/steps', { values: noise([rows, 4, 3], 'other steps'), shape: [4, 3] }],
  ['t/flat', { values: noise([rows, 6], 'other flat'), shape: [6] }],
]);
const pairs = [
  { student: 'a', teacher: 't/small' },
  { student: 'b', teacher: 't/large' },
  { student: 'steps', teacher: 't/steps' },
  { student: 'flat', teacher: 't/flat' },
];

function optionsOf(name: BuiltInLoss): object {
  if (name === 'selfDistillation') return { from: ['a', 'b'], to: 'b' };
  return lossOf(name).on === 'pairs' ? { pairs } : {};
}

const lossesWith = (name: BuiltInLoss, options: object = {}): Losses =>
  lossSchema.parse({ [name]: { weight: 0.7, ...optionsOf(name), ...options } });

/** Logits of that size, and all that a term may compare with. */
function settingOf(losses: Losses, { size = 2, more = {} }: { size?: number; more?: Partial<Targets> } = {}): Setting {
  const scaled = (key: string): Float32Array => noise([rows, classes], key).map((value) => size * value);
  const soft = new SoftLabels(
    new Map([
      ['teacher:t', scaled('t')],
      ['teacher:u', scaled('u')],
    ]),
    {
      combine: 'probabilities',
      classes,
      teachers: [
        { name: 't', weight: 2, temperature: null },
        { name: 'u', weight: 1, temperature: 3 },
      ],
    },
  );
  const task = lossesAt(losses).flatMap(({ name }) => vectorTaskOf(name as BuiltInLoss) ?? [])[0];
  const vectors = scaled('vectors').map((value) => (task === 'regression' ? value : Number(value > 0)));
  return {
    losses,
    answer: scaled('answer'),
    targets: { labels, soft, activations, ...(task === undefined ? {} : { vectors }), ...more },
    taps: maps,
  };
}

const variants: readonly (readonly [BuiltInLoss, object])[] = [
  ...formed.map((name) => [name, {}] as const),
  ['crossEntropy', { labelSmoothing: 0.2 }],
  ['exitCrossEntropy', { labelSmoothing: 0.2 }],
  ['regression', { distance: 'l1' }],
  ['regression', { distance: 'huber', delta: 0.5 }],
  ['embedding', { distance: 'cosine' }],
  ['features', { distance: 'l1' }],
  ['features', { distance: 'cosine' }],
  ['selfDistillation', { distance: 'cosine' }],
  ['attention', { normalize: 'l2' }],
  ['decoupled', { alpha: 0.5, beta: 2, temperature: 2 }],
  ['dist', { beta: 0.5, gamma: 2, temperature: 2 }],
];
const weights = Float32Array.of(2, 0.5, 0, 1.25);
const mixed = { labels: Int32Array.of(1, 3, -1, 4), weights: Float32Array.of(0.5, 1, 2, 0.25), share: 0.3 };

describe('the losses of a graph', () => {
  it.each(variants)('give the value and the gradients of %s %j', async (name, options) => {
    const { gradients } = await expectEqual(settingOf(lossesWith(name, options)));
    expect(largest([...gradients.values()].flatMap((values) => [...values]))).toBeGreaterThan(0);
  });

  it.each(variants)('count weighted rows as often as they weigh in %s %j', async (name, options) => {
    await expectEqual(settingOf(lossesWith(name, options), { more: { weights } }));
  });

  it.each(variants.filter(([name]) => name !== 'decoupled'))(
    'count both labels of mixed rows in %s %j',
    async (name, options) => {
      const losses = lossesWith(name, options);
      await expectEqual(settingOf(losses, { more: { mixed: { labels: mixed.labels, share: mixed.share } } }));
      await expectEqual(settingOf(losses, { more: { weights, mixed } }));
    },
  );

  it.each(formed.filter((name) => lossOf(name).on !== 'pairs'))(
    'are those of JavaScript for logits of 1e4 at a temperature of 0.05, and of 0: %s',
    async (name) => {
      const cold = lossOf(name).temperature === undefined ? {} : { temperature: 0.05 };
      for (const size of [1e4, 0]) await expectEqual(settingOf(lossesWith(name, cold), { size }));
    },
  );

  it('are finite where the ensemble gives a class the probability 0', async () => {
    for (const name of ['response', 'decoupled', 'dist'] as const) {
      const losses = lossesWith(name);
      const logs = Float32Array.from({ length: rows * classes }, (_, i) =>
        i % classes < 2 ? Math.log(0.5) : -Infinity,
      );
      const soft = { at: () => logs, logits: () => logs };
      const { gradients } = await expectEqual(
        settingOf(losses, { more: { labels: Int32Array.of(0, 1, -1, 3), soft } }),
      );
      expect([...must(gradients, 'answer')].every(Number.isFinite)).toBe(true);
    }
  });

  it('add up in one gradient for each output, and leave out terms that apply to no row', async () => {
    const losses = lossSchema.parse({
      crossEntropy: { weight: 0.3 },
      response: { weight: { from: 0.7, to: 0.1 }, temperature: { from: 4, to: 1 } },
      decoupled: { weight: 2 },
      logitMse: { weight: 0.1 },
      features: { weight: 3, pairs },
      exitCrossEntropy: { weight: 1 },
      exitResponse: { weight: 0.5 },
    });
    await expectEqual(settingOf(losses));
    await expectEqual(settingOf(losses, { more: { labels: new Int32Array(rows).fill(-1) } }));
    await expectEqual(settingOf(losses, { more: { soft: null } }));
  });

  it('leave a recipe with a term that has no form to JavaScript', () => {
    expect(formedTerms(lossSchema.parse({ crossEntropy: { weight: 1 } }), classes)).toHaveLength(1);
    for (const name of withoutForm) {
      const losses = lossSchema.parse({ crossEntropy: { weight: 1 }, [name]: { weight: 1, pairs } });
      expect(formedTerms(losses, classes), name).toBeNull();
    }
    const plugins = { plugins: { focal: { weight: 1 } } };
    expect(formedTerms(lossSchema.parse(plugins), classes)).toBeNull();
    expect(formedTerms(lossSchema.parse({ decoupled: { weight: 1 } }), 1)).toBeNull();
  });
});
