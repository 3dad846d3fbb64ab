import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { afterRewinds, droppedAtEnd, type JournalLine } from '../../../coordinator/store/journal.js';
import { Journal, readJournal } from '../../../coordinator/store/journal-file.js';
import { commitLine, evaluationLine, temporaryFolder } from '../helpers.js';

const rewind = (toStep: number): JournalLine => ({
  type: 'rewind',
  generation: 2,
  atMs: 5000,
  toStep,
  reason: 'a test',
});

async function opened(path: string): Promise<{ journal: Journal; lines: readonly JournalLine[] }> {
  const read = await readJournal(path, { run: 'r', logged: new Map() });
  return { journal: await Journal.open(path, read), lines: read.lines };
}

describe('Journal', () => {
  it('keeps its lines', async () => {
    const path = join(await temporaryFolder(), 'journal.jsonl');
    const { journal } = await opened(path);
    await journal.append(commitLine(0));
    await journal.append(evaluationLine(1));
    await journal.close();
    const again = await opened(path);
    expect(again.lines).toEqual([commitLine(0), evaluationLine(1)]);
    await again.journal.close();
  });

  it('cuts off a torn last line, at whatever byte, and appends after it', async () => {
    const path = join(await temporaryFolder(), 'journal.jsonl');
    const first = `${JSON.stringify(commitLine(0))}\n`;
    const second = `${JSON.stringify(commitLine(1))}\n`;
    for (let length = 0; length < second.length; length++) {
      await writeFile(path, first + second.slice(0, length));
      const { journal, lines } = await opened(path);
      expect(lines).toEqual([commitLine(0)]);
      await journal.append(commitLine(1));
      await journal.close();
      expect((await readFile(path, 'utf8')).startsWith(first + second.slice(0, -2))).toBe(true);
      const { lines: again, journal: next } = await opened(path);
      expect(again).toEqual([commitLine(0), commitLine(1)]);
      await next.close();
    }
  });

  it('writes nothing of a line that could not be read back', async () => {
    const path = join(await temporaryFolder(), 'journal.jsonl');
    const { journal } = await opened(path);
    await journal.append(commitLine(0));
    const before = await readFile(path);
    for (const sums of [{ correct: Infinity }, { correct: NaN }])
      await expect(journal.append(commitLine(1, { sums }))).rejects.toThrow(/correct/);
    await expect(journal.append(commitLine(-1))).rejects.toThrow(/step/);
    expect(await readFile(path)).toEqual(before);
    await journal.close();
  });

  it('removes its last line on request', async () => {
    const path = join(await temporaryFolder(), 'journal.jsonl');
    await writeFile(path, [commitLine(0), commitLine(1)].map((line) => `${JSON.stringify(line)}\n`).join(''));
    const { journal } = await opened(path);
    await journal.dropLast();
    await journal.append(commitLine(1, { samples: 3 }));
    await journal.close();
    const again = await opened(path);
    expect(again.lines).toEqual([commitLine(0), commitLine(1, { samples: 3 })]);
    await again.journal.close();
  });

  it('refuses a broken line in the middle, with its number', async () => {
    const path = join(await temporaryFolder(), 'journal.jsonl');
    await writeFile(path, `${JSON.stringify(commitLine(0))}\n{"type":"commit"}\n`);
    await appendFile(path, `${JSON.stringify(commitLine(2))}\n`);
    await expect(opened(path)).rejects.toThrow(/line 2: not a journal line/);
  });
});

describe('afterRewinds', () => {
  it('drops what a coordinator wrote after another had taken its place', () => {
    const started = (generation: number): JournalLine => ({
      type: 'generation',
      generation,
      atMs: 5000,
      step: generation - 1,
    });
    const [late, next] = [commitLine(1), commitLine(1, { generation: 2, samples: 3 })];
    expect(afterRewinds([started(1), commitLine(0), late, started(2), late, next, late])).toEqual([
      started(1),
      commitLine(0),
      started(2),
      next,
    ]);
  });

  it('drops commits from the step on and evaluations after it', () => {
    const lines = [
      commitLine(0),
      evaluationLine(1),
      commitLine(1),
      evaluationLine(2),
      rewind(1),
      commitLine(1, { samples: 2 }),
    ];
    expect(afterRewinds(lines)).toEqual([commitLine(0), evaluationLine(1), commitLine(1, { samples: 2 })]);
  });

  it('applies one rewind after the other', () => {
    const lines = [commitLine(0), commitLine(1), commitLine(2), rewind(2), commitLine(2), rewind(1)];
    expect(afterRewinds(lines)).toEqual([commitLine(0)]);
  });
});

describe('the teachers that a run goes on without', () => {
  it('are those of its last commit or evaluation that counts', () => {
    const lines = [
      commitLine(0),
      commitLine(1, { dropped: ['deep'] }),
      evaluationLine(2, { dropped: ['deep', 'wide'] }),
    ];
    expect([1, 2, 3].map((count) => droppedAtEnd(lines.slice(0, count)))).toEqual([[], ['deep'], ['deep', 'wide']]);
    expect(droppedAtEnd(afterRewinds([...lines, rewind(1)]))).toEqual([]);
    expect(droppedAtEnd([{ type: 'generation', generation: 1, atMs: 0, step: 0 }])).toEqual([]);
  });
});
