/** What the numerics probe of a joiner says, where there is something to compare and where there is not. */
import { describe, expect, it } from 'vitest';
import { Probes } from '../../../coordinator/workers/numerics.js';
import type { RunFolder } from '../../../coordinator/store/run-folder.js';
import { device } from '../../worker/fakes.js';

function folder(): Pick<RunFolder, 'path' | 'read' | 'write'> {
  const files = new Map<string, string>();
  return {
    path: 'run',
    read: async (name) => files.get(name) ?? null,
    write: async (name, text) => void files.set(name, text),
  };
}

describe('a probe', () => {
  it('that a teacher let fail is no reference, and nothing is said of its numerics', async () => {
    const probes = await Probes.open(folder());
    const judge = (digest: string, failed?: string): string =>
      probes.judge({ digest: digest.repeat(16), repeatable: true, failed }, device, 'here').numerics;
    expect([
      judge('0', 'teacher deep: it gives NaN'),
      judge('a'),
      judge('b'),
      judge('0', 'teacher deep: it gives NaN'),
      judge('a'),
    ]).toEqual(['unknown', 'exact', 'close', 'unknown', 'exact']);
  });

  it('is exact with the same library on the same kind of processor alone, also after a new start', async () => {
    const files = folder();
    const judge = async (numerics?: string): Promise<string> =>
      (await Probes.open(files)).judge({ digest: 'a'.repeat(16), repeatable: true, numerics }, device, 'here').numerics;
    const [wide, narrow] = ['onnxruntime 1 on x64 with AVX-512', 'onnxruntime 1 on x64 with AVX2'];
    expect([await judge(wide), await judge(narrow), await judge(wide), await judge()]).toEqual([
      'exact',
      'close',
      'exact',
      'close',
    ]);
    expect((await Probes.open(files)).referenceText).toBe(`${wide}, ${device.host}`);
  });

  it('makes another answer the reference once two hosts have come to it, by whatever names, and one to the first', async () => {
    const files = folder();
    const probes = await Probes.open(files);
    const judge = (digest: string, origin: string): string => {
      const { numerics, isRevised } = probes.judge({ digest: digest.repeat(16), repeatable: true }, device, origin);
      return `${numerics}${isRevised ? ', revised' : ''}`;
    };
    expect([judge('b', 'liar'), judge('a', 'one'), judge('a', 'one'), judge('b', 'liar')]).toEqual([
      'exact',
      'close',
      'close',
      'exact',
    ]);
    expect([probes.isOpenTo('one'), probes.isOpenTo('liar')]).toEqual([true, false]);
    expect([judge('a', 'two'), judge('b', 'liar'), judge('a', 'one')]).toEqual(['exact, revised', 'close', 'exact']);
    expect([probes.isOpenTo('liar'), judge('b', 'second liar'), judge('b', 'third liar')]).toEqual([
      false,
      'close',
      'exact, revised',
    ]);
    expect((await Probes.open(files)).isReference({ digest: 'b'.repeat(16), repeatable: true })).toBe(true);
  });
});
