/** Teachers that fail at their work: what the ensemble makes of it, and how it goes on without them. */
import { describe, expect, it, vi } from 'vitest';
import type { Label } from '../../../../shared/labels/kinds.js';
import type { TeacherSpec } from '../../../../shared/protocol/messages.js';
import { Ensemble } from '../../../../worker/compute/teachers/ensemble.js';
import { TeacherFailure } from '../../../../worker/compute/contract.js';
import { teacherFailure } from '../../../../worker/compute/teachers/failure.js';
import type { Teacher } from '../../../../worker/compute/teachers/formats/teacher.js';
import { noTensorFlow } from './fixtures.js';

/** What a teacher's forward gives for one row; by name. */
const rowsOf = new Map<string, (x: number) => number[]>();
const forwards: string[] = [];

vi.mock('../../../../worker/compute/teachers/teacher-formats.js', () => ({
  openTeacher: async ({ name }: { readonly name: string }): Promise<Teacher> => ({
    inputs: [{ name: 'x', shape: [1], integerType: null }],
    fixedRows: null,
    parameters: 0,
    weightsDigest: async () => null,
    dispose: async () => undefined,
    forward: async ([given]) => {
      forwards.push(name);
      return {
        output: Float32Array.from([...(given?.values ?? [])].flatMap((x) => rowsOf.get(name)?.(x) ?? [])),
        taps: new Map(),
      };
    },
  }),
}));

const spec = (name: string, weight: number): TeacherSpec => ({
  name,
  weight,
  format: 'onnx',
  temperature: null,
  output: 'logits',
  layout: 'nhwc',
  classes: 2,
  parameters: 0,
  files: [{ name, sha256: name.padEnd(64, '0'), bytes: 1 }],
});
const specs = [spec('a', 1), spec('b', 2), spec('c', 5)];

const form = { combine: 'probabilities', rows: 4, inputShape: [1] } as const;

function open(wanted = specs): Promise<Ensemble> {
  const files = new Map(wanted.map(({ files: [file] }) => [file?.sha256 ?? '', 'unused']));
  return Ensemble.open(wanted, files, { ...form, openTensorFlow: noTensorFlow });
}

const inputs = Float32Array.of(0.1, 0.2, 0.3);
const samples = [0, 1, 2].map((row) => ({ shard: '', row, view: 0, label: row }));
const wanted: readonly Label[] = [
  { kind: 'mixture', temperature: 4 },
  { kind: 'logits' },
  { kind: 'teacher', teacher: 'c' },
];

function teach(broken: (x: number) => number[] = (x) => [x, 3]): void {
  rowsOf
    .set('a', (x) => [x, 1])
    .set('b', broken)
    .set('c', (x) => [2 * x, -x]);
}

describe('a teacher that fails', () => {
  it.each<[string, (x: number) => number[], string]>([
    ['gives no number', () => [NaN, 0], 'teacher b: it gives NaN; a finite number wanted'],
    ['gives infinity', () => [0, -Infinity], 'teacher b: it gives -Infinity; a finite number wanted'],
    [
      'throws',
      () => {
        throw new Error('out of memory\nat some place');
      },
      'teacher b: out of memory',
    ],
    ['gives too few classes', () => [1], 'teacher b: it gives 1 class; wanted 2'],
  ])('is named: it %s', async (_what, broken, message) => {
    teach();
    const ensemble = await open();
    teach((x) => (x > 0.25 ? broken(x) : [x, 3]));
    if (message.includes('1 class;')) teach(broken);
    const failure = await ensemble.labels(wanted, inputs, samples).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(TeacherFailure);
    expect(failure).toMatchObject({ teacher: 'b', exitCode: 65, message });
  });

  it('is named once its canary is no longer what it was, and no other teacher is', async () => {
    teach();
    const ensemble = await open();
    for (let i = 0; i < 200; i++) await ensemble.softLabels(inputs, 3);
    teach((x) => [x, 3.0001]);
    const learnt = async (): Promise<void> => {
      for (let i = 0; i < 56; i++) await ensemble.softLabels(inputs, 3);
    };
    await expect(learnt()).rejects.toMatchObject({
      teacher: 'b',
      message: 'teacher b: its output for a known sample has changed since it was opened; a frozen model wanted',
    });
  });

  it('keeps its own words, and its name once', () => {
    expect(teacherFailure('deep', new Error('teacher deep: its shape is [2]')).message).toBe(
      'teacher deep: its shape is [2]',
    );
    const first = new TeacherFailure('wide', 'it gives NaN');
    expect(teacherFailure('deep', first)).toBe(first);
  });
});

describe('an ensemble without a teacher', () => {
  it('gives the bits and has the digest of one that never had it, and does not run it', async () => {
    teach();
    const [whole, never] = [await open(), await open(specs.filter(({ name }) => name !== 'b'))];
    teach(() => [NaN, NaN]);
    const without = whole.without(['b'], form);
    forwards.length = 0;
    expect(await without.labels(wanted, inputs, samples)).toEqual(await never.labels(wanted, inputs, samples));
    expect(forwards).toEqual(['a', 'c', 'a', 'c']);
    expect([without.digest, without.digest === whole.digest]).toEqual([never.digest, false]);
    expect([...(await without.logits(inputs, 3)).keys()]).toEqual(['a', 'c']);
  });

  it('scales the weights that are left to a sum of 1', async () => {
    teach();
    const { 0: first = NaN } =
      (
        await (
          await open()
        )
          .without(['b'], form)
          .labels([{ kind: 'logits' }], Float32Array.of(0.5), samples.slice(0, 1))
      ).get('logits') ?? [];
    // a: 0.5, weight 1 of 6; c: 1, weight 5 of 6.
    expect(first).toBeCloseTo(0.5 / 6 + 5 / 6, 6);
  });

  it('looks at the others still, and not at the one that it lacks', async () => {
    teach();
    const without = (await open()).without(['b'], form);
    teach(() => [NaN, NaN]);
    for (let i = 0; i < 300; i++) await without.softLabels(inputs, 3);
    rowsOf.set('c', (x) => [2 * x + 1, -x]);
    const learnt = async (): Promise<void> => {
      for (let i = 0; i < 256; i++) await without.softLabels(inputs, 3);
    };
    await expect(learnt()).rejects.toMatchObject({ teacher: 'c' });
  });

  it('is none where no weight is left', async () => {
    teach();
    const ensemble = await open();
    expect(() => ensemble.without(['a', 'b', 'c'], form)).toThrow(
      'teachers: without a, b, c no weight is above 0; wanted at least one',
    );
  });
});
