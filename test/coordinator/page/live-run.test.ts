import { describe, expect, it } from 'vitest';
import { unread } from '../../../coordinator/page/curves.js';
import { keptNotes, LiveRun } from '../../../coordinator/page/live-run.js';
import type { JournalLine } from '../../../coordinator/store/journal.js';

function liveRun(): LiveRun {
  return new LiveRun({ weightsAt: (step) => ({ a: 0.5, b: step === 0 ? 1 : 2 }), nowMs: () => 7 });
}

const progress = { totalSteps: 9, epoch: 0, epochs: 1, workers: 1, labels: () => null };

describe('what the page shows of a run', () => {
  it('has each term times its weight in the step, and their sum', () => {
    const live = liveRun();
    live.output.progress({ ...progress, step: 1, samples: 8, terms: { a: 4, b: 3 } });
    live.output.progress({ ...progress, step: 2, samples: 16, terms: { a: 2, b: 1 } });
    const { series } = live.curves.since(unread);
    expect(series.loss?.mean).toEqual([5, 3]);
    expect(series['term/a']?.mean).toEqual([2, 1]);
    expect(series['term/b']?.mean).toEqual([3, 2]);
  });

  it('has the steps of a journal that was there before, with their pace', () => {
    const live = liveRun();
    const line = (step: number): JournalLine => ({
      ...{ type: 'commit', generation: 1, atMs: 1000 * step, step, unit: step, epoch: 0, from: 0, to: 8, samples: 8 },
      ...{ loss: { a: 16 }, counts: { a: 8 }, sums: {}, digest: 'd' },
    });
    live.addJournal([line(0), { type: 'generation', generation: 2, atMs: 5, step: 1 }, line(1)]);
    const { series } = live.curves.since(unread);
    expect(series.loss?.mean).toEqual([1, 1]);
    expect(series['samples/s']?.mean).toEqual([null, 8]);
  });

  it('has the figure of each evaluated epoch at its last step, and knows its name', async () => {
    const live = liveRun();
    expect(live.figure).toBeNull();
    const epoch = { epoch: 0, step: 2, samples: 16, loss: 1, terms: {}, samplesPerSecond: 1 };
    await live.output.start({
      ...{ step: 2, totalSteps: 9, epochs: 3, run: 'aa', generation: 2, beganMs: 0, recipe: '' },
      steps: () => [],
      references: () => [],
      closedEpochs: [{ ...epoch, eval: { accuracy: 0.5 } }],
    });
    await live.output.epoch({ ...epoch, step: 4, accuracy: 0.75, eval: { accuracy: 0.625 } });
    const { series } = live.curves.since(unread);
    expect(series.student?.mean).toEqual([null, 0.5, null, 0.625]);
    expect(series['training accuracy']?.mean).toEqual([null, null, null, 0.75]);
    expect(live.figure).toBe('accuracy');
  });

  it('keeps the newest lines that were said, by their numbers', () => {
    const live = liveRun();
    for (let i = 0; i < keptNotes + 2; i++) live.output.say('info', `line ${i}`);
    expect(live.notesSince(0)).toHaveLength(keptNotes);
    expect(live.notesSince(0)[0]).toEqual({ number: 2, atMs: 7, level: 'info', text: 'line 2' });
    expect(live.notesSince(live.noted - 1).map(({ text }) => text)).toEqual([`line ${keptNotes + 1}`]);
    expect(live.notesSince(live.noted)).toEqual([]);
  });
});
