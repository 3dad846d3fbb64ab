import { describe, expect, it } from 'vitest';
import type { CommitLine, JournalLine } from '../../../coordinator/store/journal.js';
import { chainedLine, parseJournal, type ReadJournal } from '../../../coordinator/store/journal-chain.js';

const run = 'a-run';
const start = (generation: number, step: number): JournalLine => ({ type: 'generation', generation, atMs: 1, step });
const commit = (step: number, generation = 1): CommitLine => ({
  type: 'commit',
  generation,
  atMs: 2 + step,
  step,
  unit: step,
  epoch: 0,
  from: 8 * step,
  to: 8 * step + 8,
  samples: 8,
  loss: { crossEntropy: 4 },
  counts: { crossEntropy: 8 },
  sums: {},
  digest: `${step}`.padStart(16, '0'),
});
const written = [start(1, 0), ...[0, 1, 2, 3].map((step) => commit(step))];

/** Each line as the file has it, and the chain before it. */
function chain(lines: readonly JournalLine[], seed = run): { text: string; before: string; after: string }[] {
  let before = seed;
  return lines.map((line) => {
    const one = { ...chainedLine(line, before), before };
    before = one.chain;
    return { text: one.text, before: one.before, after: one.chain };
  });
}

const texts = chain(written).map(({ text }) => text);
const none = new Map<string, JournalLine>();
/** What the log holds: the commits, by the chain before each. */
const logged = new Map(
  chain(written).flatMap(({ before }, i) => (i === 0 ? [] : [[before, written[i] ?? start(1, 0)]])),
);

function read(lines: readonly string[], log = none, id: string | null = run, torn = ''): ReadJournal | string {
  return parseJournal(Buffer.from(lines.map((line) => `${line}\n`).join('') + torn), id, log);
}

/** The journal where it can be put together; fails where it cannot. */
function sound(lines: readonly string[], log = none): ReadJournal {
  const journal = read(lines, log);
  if (typeof journal === 'string') throw new Error(journal);
  return journal;
}

const without = (i: number): string[] => texts.filter((_, j) => j !== i);
const changed = (i: number): string[] =>
  texts.map((text, j) => (j === i ? text.replace('"samples":8', '"samples":9') : text));

describe('a chained journal', () => {
  it('reads back as it was written, and says what the next line follows', () => {
    const journal = sound(texts);
    expect(journal).toMatchObject({ lines: written, texts, faults: [], tornBytes: 0 });
    expect(journal.head).toBe(chain(written).at(-1)?.after);
    expect(journal.headBefore).toBe(chain(written).at(-1)?.before);
    expect(journal.chains).toEqual([run, ...chain(written).map(({ after }) => after)]);
  });

  it('counts a last line that was never finished, and leaves it out', () => {
    expect(read(texts, none, run, '{"type":"comm')).toMatchObject({ lines: written, faults: [], tornBytes: 13 });
  });

  it('is none of another run, nor where the run is not known', () => {
    expect(read(texts, none, 'another')).toBe('line 1: not as it was written');
    expect(read(texts, none, null)).toBe('line 1: not as it was written');
  });

  it.each([
    ['a line that was changed', changed(2), 3],
    ['a line that is missing', without(2), 3],
  ])('is damaged by %s, and is put together where the log has it', (_, lines, at) => {
    expect(read(lines)).toBe(`line ${at}: not as it was written`);
    const mended = sound(lines, logged);
    expect(mended.texts).toEqual(texts);
    expect(mended.faults.length).toBeGreaterThan(0);
  });

  it('puts lines in order that were swapped, and leaves out doubled ones, and says so', () => {
    const [first = '', second = '', third = '', ...rest] = texts;
    const swapped = sound([first, third, second, ...rest]);
    expect(swapped.texts).toEqual(texts);
    expect(swapped.faults).toEqual(['line 2 does not follow; line 3 does']);
    const doubled = sound([first, second, second, third, ...rest]);
    expect(doubled.texts).toEqual(texts);
    expect(doubled.faults).toEqual(['line 3 is left out: it is there already']);
  });

  it('takes one commit from the log that a kill kept from the journal without a word, and names more', () => {
    expect(sound(texts.slice(0, -1), logged)).toMatchObject({ texts, faults: [] });
    expect(sound(texts.slice(0, -2), logged)).toMatchObject({
      texts,
      faults: ['2 lines are missing at the end; the log has them'],
    });
  });

  it('leaves out one line at the end that is not as it was written, as if it were missing', () => {
    const journal = sound(changed(4));
    expect(journal.texts).toEqual(texts.slice(0, -1));
    expect(journal.faults).toEqual(['a line is left out, from line 5 on']);
  });

  it('keeps what an earlier coordinator wrote after another had taken its place', () => {
    const [, , before] = chain(written);
    const taken = chainedLine(start(2, 2), before?.after ?? '');
    const late = texts.slice(3, 4);
    const next = chainedLine(commit(2, 2), taken.chain);
    const journal = sound([...texts.slice(0, 3), taken.text, ...late, next.text]);
    expect(journal.faults).toEqual([]);
    expect(journal.lines.map(({ generation }) => generation)).toEqual([1, 1, 1, 2, 1, 2]);
    expect(journal.head).toBe(next.chain);
  });

  it('follows lines of earlier versions, which have no chain, and is damaged where one of them is', () => {
    const old = written.slice(0, 2).map((line) => JSON.stringify(line));
    const seed = sound(old).head;
    const later = chain(written.slice(2), seed).map(({ text }) => text);
    expect(sound([...old, ...later])).toMatchObject({ lines: written, faults: [] });
    expect(read([...old.map((text) => text.replace('"atMs":2', '"atMs":3')), ...later])).toMatch(/^line 3: not as/);
  });

  it('holds no line that could not be read back', () => {
    expect(() => chainedLine({ ...commit(0), samples: -1 }, run)).toThrow();
  });
});
