/** What the numerics probe of a joiner says, where there is something to compare and where there is not. */
import { describe, expect, it } from 'vitest';
import { Probes } from '../../../coordinator/workers/numerics.js';
import type { Reference } from '../../../coordinator/store/journal.js';
import type { RunFolder } from '../../../coordinator/store/run-folder.js';
import { device } from '../../worker/fakes.js';

type Files = Pick<RunFolder, 'path' | 'run' | 'read' | 'write'>;

function folder(): Files {
  const files = new Map<string, string>();
  return {
    path: 'run',
    run: 'r',
    read: async (name) => files.get(name) ?? null,
    write: async (name, text) => void files.set(name, text),
  };
}

/** Probes in these files, with what is warned of and written into the journal. */
async function opened(
  files: Files,
  journalled: Reference | null = null,
): Promise<{ probes: Probes; warnings: string[]; lines: Reference[] }> {
  const [warnings, lines]: [string[], Reference[]] = [[], []];
  const probes = await Probes.open({
    folder: files,
    journalled,
    journal: async (reference) => void lines.push(reference),
    warn: (line) => warnings.push(line),
  });
  return { probes, warnings, lines };
}

describe('a probe', () => {
  it('that a teacher let fail is no reference, and nothing is said of its numerics', async () => {
    const { probes } = await opened(folder());
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
      (await opened(files)).probes.judge({ digest: 'a'.repeat(16), repeatable: true, numerics }, device, 'here')
        .numerics;
    const [wide, narrow] = ['onnxruntime 1 on x64 with AVX-512', 'onnxruntime 1 on x64 with AVX2'];
    expect([await judge(wide), await judge(narrow), await judge(wide), await judge()]).toEqual([
      'exact',
      'close',
      'exact',
      'close',
    ]);
    expect((await opened(files)).probes.referenceText).toBe(`${wide}, ${device.host}`);
  });

  it('is compared with what the journal has, and a file that says another thing is written anew', async () => {
    const files = folder();
    const first = await opened(files);
    await first.probes.judge({ digest: 'a'.repeat(16), repeatable: true }, device, 'here').saved;
    const [reference = null] = first.lines;
    expect(reference).toMatchObject({ digest: 'a'.repeat(16), host: device.host });
    const whole = (await files.read('probe.json')) ?? '';
    for (const [damage, word] of [
      [whole.replace('aaaa', 'aaab'), 'damaged'],
      ['', 'damaged'],
      [`${whole} `, 'damaged'],
    ] as const) {
      await files.write('probe.json', damage);
      const { probes, warnings } = await opened(files, reference);
      expect(warnings).toEqual([`run/probe.json is ${word}; it is written anew, as the journal has it`]);
      expect(await files.read('probe.json')).toBe(whole);
      expect(probes.judge({ digest: 'a'.repeat(16), repeatable: true }, device, 'here').numerics).toBe('exact');
    }
    const gone = await opened(folder(), reference);
    expect(gone.warnings).toEqual(['run/probe.json is missing; it is written anew, as the journal has it']);
  });

  it('is refused where nothing but a damaged file has the reference', async () => {
    const files = folder();
    await (await opened(files)).probes.judge({ digest: 'a'.repeat(16), repeatable: true }, device, 'here').saved;
    await files.write('probe.json', ((await files.read('probe.json')) ?? '').replace('aaaa', 'aaab'));
    await expect(opened(files)).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringMatching(/^run\/probe\.json is damaged/) as string,
    });
  });

  it('makes another answer the reference once two hosts have come to it, by whatever names, and one to the first', async () => {
    const files = folder();
    const { probes } = await opened(files);
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
    expect((await opened(files)).probes.isReference({ digest: 'b'.repeat(16), repeatable: true })).toBe(true);
  });
});
