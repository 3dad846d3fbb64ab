/** Plug-in losses through the total loss: what they are given, what becomes of what they give, and the example. */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../../../shared/errors.js';
import { installedPlugins } from '../../../../shared/recipe/plugins.js';
import { expectPlugins, loadPlugins } from '../../../../worker/compute/losses/load-plugins.js';
import type { PluginLoss, PluginOnLogits, PluginOnPair } from '../../../../worker/compute/losses/plugin.js';
import { totalLoss, type LossOutputs, type TotalLoss } from '../../../../worker/compute/losses/total.js';
import { SoftLabels } from '../../../../worker/compute/labels/soft-labels.js';
import { lossesAtStep } from '../../../shared/losses/at-step.js';

const classes = 3;
const logits = Float32Array.of(1, -2, 0.5, 0, 3, 1, 2, 2, -1);
const labels = Int32Array.of(2, -1, 0);
const soft = new SoftLabels(new Map([['teacher:a', Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7, 9)]]), {
  combine: 'logits',
  classes,
  teachers: [{ name: 'a', weight: 1, temperature: null }],
});

function total(loss: PluginLoss, options: object = {}, beside: Partial<LossOutputs> = {}): TotalLoss {
  const losses = lossesAtStep({ plugins: { own: { weight: 0.5, ...options } } });
  return totalLoss(
    { logits_BC: logits, classes, ...beside },
    { labels, soft },
    { losses, divisors: { 'plugins.own': 4 }, plugins: new Map([['own', loss]]) },
  );
}

const constant =
  (): PluginLoss =>
  ({ rows }) => ({
    values: Array.from({ length: rows }, (_, row) => row + 1),
    gradient: Array.from({ length: 3 * rows }, (_, i) => i),
  });

describe('a plug-in loss', () => {
  it('is a plain weighted part: its values are summed, its gradient times weight over divisor is added', () => {
    const { sums, gradient_BC } = total(constant());
    expect(sums).toMatchObject({ 'plugins.own': 6, 'plugins.own.count': 3 });
    expect([...gradient_BC]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8].map((value) => (0.5 / 4) * value));
  });

  it('over labelled samples leaves out what it gives for the others', () => {
    const { sums, gradient_BC } = total(constant(), { over: 'labelled' });
    expect(sums).toMatchObject({ 'plugins.own': 4, 'plugins.own.count': 2 });
    expect([...gradient_BC]).toEqual([0, 1, 2, 0, 0, 0, 6, 7, 8].map((value) => (0.5 / 4) * value));
  });

  it('is given what the recipe says, in copies', () => {
    const given: PluginOnLogits[] = [];
    const spoil: PluginLoss = (input) => {
      given.unshift(structuredClone(input) as PluginOnLogits);
      if (!('logits' in input)) throw new Error('no logits');
      input.logits.fill(0);
      input.labels.fill(0);
      input.soft?.fill(0);
      return { values: new Float32Array(3), gradient: new Float64Array(9) };
    };
    const [kept, keptLabels] = [logits.slice(), labels.slice()];
    total(spoil, { soft: 'logits', temperature: 2, options: { a: [1, { b: null }] } });
    expect(given[0]).toEqual({
      rows: 3,
      classes,
      logits: kept,
      labels: keptLabels,
      targets: null,
      soft: Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7, 9),
      temperature: 2,
      options: { a: [1, { b: null }] },
    });
    expect([logits, labels, soft.logits()[8]]).toEqual([kept, keptLabels, 9]);
    total(spoil, { soft: 'mixture', temperature: 2 });
    expect([...(given[0]?.soft ?? [])].map((value) => Math.fround(value))).toEqual([...soft.at(2)]);
    // The ensemble that it is given is the one that the student is compared with.
    expect(total(constant(), { soft: 'mixture', temperature: 2 }).sums).toHaveProperty(['ensemble.agree']);
    expect(total(constant(), { soft: 'logits' }).sums).not.toHaveProperty(['ensemble.agree']);
    total(spoil);
    expect(given[0]).toMatchObject({ targets: null, soft: null, temperature: 4 });
  });

  it('on pairs is called for each, and its gradient goes to that pair', () => {
    const calls: PluginOnPair[] = [];
    const loss: PluginLoss = (input) => {
      if (!('student' in input)) throw new Error('no pair');
      calls.push(structuredClone(input));
      input.student.values.fill(0);
      return {
        values: new Float32Array(3).fill(1),
        gradient: input.teacher.values.map((value) => 2 * value).slice(0, input.student.values.length),
      };
    };
    const side = (from: number, width: number): { values: Float32Array; shape: number[] } => ({
      values: Float32Array.from({ length: 3 * width }, (_, i) => from + i),
      shape: [width],
    });
    const pairs = new Map([
      ['plugins.own/0', { student: side(0, 1), teacher: side(10, 2) }],
      ['plugins.own/1', { student: side(20, 2), teacher: side(30, 2) }],
    ]);
    const { sums, pairGradients } = total(
      loss,
      {
        pairs: [
          { student: 's', teacher: 'a/t' },
          { student: 'u', teacher: 'a/v' },
        ],
      },
      { pairs },
    );
    expect(sums['plugins.own']).toBe(6);
    expect(calls.map(({ student }) => student.shape)).toEqual([[1], [2]]);
    expect(calls[1]).toMatchObject({ rows: 3, labels, teacher: side(30, 2) });
    expect([...(pairGradients.get('plugins.own/0') ?? [])]).toEqual([2.5, 2.75, 3]);
    expect([...(pairs.get('plugins.own/1')?.student.values ?? [])]).toEqual([20, 21, 22, 23, 24, 25]);
  });

  it.each<[string, unknown, string]>([
    ['nothing', undefined, 'plug-in own: it gave no values; an array of 3 numbers wanted'],
    ['no gradient', { values: [1, 2, 3] }, 'plug-in own: it gave no gradient; an array of 9 numbers wanted'],
    [
      'too few values',
      { values: [1], gradient: new Float32Array(9) },
      'plug-in own: values of 1 number given; 3 wanted',
    ],
    [
      'too long a gradient',
      { values: [1, 2, 3], gradient: new Float32Array(10) },
      'plug-in own: gradient of 10 numbers given; 9 wanted',
    ],
    [
      'texts',
      { values: ['1', '2', '3'], gradient: new Float32Array(9) },
      'plug-in own: it gave no values; an array of 3 numbers wanted',
    ],
  ])('that gives %s is refused', (_, given, text) => {
    expect(() => total(() => given)).toThrow(new UserError(text, 65));
  });

  it('that throws is refused with what it said', () => {
    expect(() =>
      total(() => {
        throw new RangeError('gamma is -1');
      }),
    ).toThrow(new UserError('plug-in own: it failed: gamma is -1', 65));
  });

  it.each([
    ['a value', [1, NaN, 3], 0],
    ['a slope', [1, 2, 3], Infinity],
  ])('of which %s is not finite shows in its own sum', (_, values, slope) => {
    const gradient = new Float64Array(9).fill(1);
    gradient[4] = slope;
    expect(total(() => ({ values, gradient })).sums['plugins.own']).toBeNaN();
    // Of a sample that it does not apply to, nothing counts.
    expect(total(() => ({ values, gradient }), { over: 'labelled' }).sums['plugins.own']).toBe(4);
  });
});

describe('plug-ins on a worker', () => {
  const file = fileURLToPath(new URL('../../../../examples/plugins/focal.js', import.meta.url));

  it('are the ones of the run, byte for byte, or it is refused', () => {
    const [here, wanted] = ['a'.repeat(64), 'b'.repeat(64)];
    expect(() => expectPlugins([{ name: 'x', sha256: wanted }], { x: wanted, y: here })).not.toThrow();
    expect(() => expectPlugins([{ name: 'x', sha256: wanted }], { x: here })).toThrow(
      new UserError(
        `plug-in x: ${here} is installed on this worker, ${wanted} is wanted by the run; install the same file (--plugin, or the folder STILLHOUSE_PLUGINS)`,
        77,
      ),
    );
    expect(() => expectPlugins([{ name: 'x', sha256: wanted }], {})).toThrow(
      `plug-in x: none is installed on this worker, ${wanted} is wanted by the run`,
    );
  });

  it('are loaded from the bytes that were digested: the example, whose gradient finite differences find', async () => {
    const focal = (await loadPlugins(['focal'], await installedPlugins([file], undefined))).get('focal');
    if (focal === undefined) throw new Error('no focal');
    for (const gamma of [0, 0.5, 2]) {
      const call = (z: Float32Array): { values: Float64Array; gradient: Float64Array } =>
        focal({
          rows: 3,
          classes,
          logits: z,
          labels,
          targets: null,
          soft: null,
          temperature: 1,
          options: { gamma },
        }) as { values: Float64Array; gradient: Float64Array };
      const { gradient } = call(logits);
      const valueAt = (i: number, off: number): number =>
        call(logits.map((value, k) => (k === i ? value + off : value))).values.reduce((a, b) => a + b, 0);
      gradient.forEach((slope, i) =>
        expect(Math.abs((valueAt(i, 2 ** -8) - valueAt(i, -(2 ** -8))) / 2 ** -7 - slope)).toBeLessThan(1e-4),
      );
    }
    const own = total(focal, { over: 'labelled', options: { gamma: 0 } });
    const crossEntropy = totalLoss(
      { logits_BC: logits, classes },
      { labels, soft },
      { losses: lossesAtStep({ crossEntropy: { weight: 0.5 } }), divisors: { crossEntropy: 4 } },
    );
    expect(own.sums['plugins.own']).toBeCloseTo(crossEntropy.sums.crossEntropy ?? NaN, 6);
    own.gradient_BC.forEach((slope, i) => expect(slope).toBeCloseTo(crossEntropy.gradient_BC[i] ?? NaN, 7));
  });
});
