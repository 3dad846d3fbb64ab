import { describe, expect, it } from 'vitest';
import { journalText } from '../../../coordinator/watch/journal-text.js';
import type { JournalLine } from '../../../coordinator/store/journal.js';

const common = { generation: 1, atMs: 0 };
const commit: JournalLine = {
  ...{ type: 'commit' as const, ...common, step: 4, unit: 4, epoch: 1, from: 0, to: 8, samples: 8 },
  ...{ loss: { response: 4 }, counts: { response: 8 }, sums: {}, digest: 'd' },
};

describe('a line of the journal in words', () => {
  it.each<[string, JournalLine]>([
    ['step 4, epoch 2: 8 samples, response 0.5000', commit],
    ['step 4, epoch 2: 8 samples, no update: NaN, without a, b', { ...commit, skip: 'NaN', dropped: ['a', 'b'] }],
    ['coordinator 1 starts at step 7', { type: 'generation', ...common, step: 7 }],
    [
      'audit of labels at step 4: lie, w1 is wrong',
      { type: 'labels', ...common, step: 4, outcome: 'lie', workers: ['p'], text: 'w1 is wrong' },
    ],
    [
      'w1 on alpha fails after step 2 with 65: bad model | one | two',
      {
        ...{ type: 'failure', ...common, step: 2, worker: 'w1', host: 'alpha', code: 65, reason: 'bad model' },
        lines: ['one', 'two'],
      },
    ],
    ['back to step 3: diverged', { type: 'rewind', ...common, toStep: 3, reason: 'diverged' }],
    ['done: weights abcdefabcdefabcd', { type: 'results', ...common, digest: 'abcdef'.repeat(4) }],
    [
      'audit of micro-batches 2..3 of step 0: lie, w1 is wrong',
      { type: 'audit', ...common, step: 0, from: 2, to: 4, outcome: 'lie', workers: ['p'], text: 'w1 is wrong' },
    ],
    [
      'evaluation of the student after step 5: 150 samples',
      { type: 'evaluation', ...common, step: 5, unit: 9, epoch: 0, subject: 'student', samples: 150, sums: {} },
    ],
    [
      'the reference of the numerics is wasm on alpha',
      { type: 'reference', ...common, reference: { digest: 'd', backend: 'wasm', gpu: null, host: 'alpha' } },
    ],
    [
      'the reference of the numerics is onnxruntime 1 on alpha',
      {
        ...{ type: 'reference', ...common },
        reference: { digest: 'd', backend: 'wasm', gpu: null, host: 'alpha', numerics: 'onnxruntime 1' },
      },
    ],
  ])('is "%s"', (text, line) => expect(journalText(line)).toBe(`1970-01-01T00:00:00.000Z ${text}`));
});
