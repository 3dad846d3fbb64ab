/** A search as a fold over its journal: killed anywhere, it goes on with the same lines as one that was not. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { objectiveOf } from '../../../cli/search/objective.js';
import { readSearch } from '../../../cli/search/search-journal.js';
import { searchOn, type LoopOptions, type RunTrial } from '../../../cli/search/search-loop.js';
import { afterLine, nextTrial, ranked, verdict, type SearchPlan } from '../../../cli/search/search-state.js';
import type { Dimension } from '../../../cli/search/space.js';
import { UserError } from '../../../shared/errors.js';

const space: readonly Dimension[] = [
  { key: 'optimizer.learningRate', range: { from: 1e-4, to: 1, scale: 'log', whole: false } },
  { key: 'ensemble.combine', range: { choices: ['logits', 'probabilities'] } },
];
const plan: SearchPlan = {
  space,
  seed: 5,
  startup: 4,
  halving: { factor: 2, firstEpoch: 1 },
  objective: objectiveOf('accuracy'),
  trials: 14,
  own: { 'optimizer.learningRate': 0.01, 'ensemble.combine': 'logits' },
};
const epochs = 5;
const origin = '{"type":"search","version":1,"recipe":"r","identity":{}}\n';

/** What a student of these values would come to; rates that are too great have no figure. */
function accuracyAt(rate: number, choice: unknown, epoch: number): number {
  if (rate > 0.5) return NaN;
  const best = 1 - (Math.log10(rate) + 2.2) ** 2 / 10 - (choice === 'logits' ? 0 : 0.05);
  return Math.max(0.1, best) * (1 - 0.5 ** epoch);
}

const student: RunTrial = async ({ values }, tell, stop) => {
  const rate = Number(values['optimizer.learningRate']);
  const choice = values['ensemble.combine'];
  if (choice === 'probabilities' && rate < 0.0005) return { outcome: 'failed', value: null, reason: 'diverged' };
  for (let epoch = 1; epoch <= epochs; epoch++) {
    await tell({ epoch, of: epochs, evaluation: { accuracy: accuracyAt(rate, choice, epoch) } });
    // A run goes a little further than to where it is stopped.
    if (stop.aborted && epoch > 1) return null;
  }
  return { outcome: 'done', value: accuracyAt(rate, choice, epochs) };
};

/** A journal in memory, which takes so many more lines. */
class Memory implements Pick<LoopOptions['journal'], 'state' | 'append'> {
  text: string;
  #room: number;
  state: LoopOptions['journal']['state'];

  constructor(text: string, room = Infinity) {
    const { state, wholeBytes } = readSearch(Buffer.from(text), 'search.jsonl');
    [this.text, this.state, this.#room] = [text.slice(0, wholeBytes), state, room];
  }

  append: LoopOptions['journal']['append'] = async (line) => {
    if (this.#room-- <= 0) throw new UserError('no space left on the disk');
    this.state = afterLine(this.state, line);
    this.text += `${JSON.stringify(line)}\n`;
  };
}

const goOn = (journal: Memory, with_: SearchPlan = plan): Promise<unknown> =>
  searchOn({ journal, plan: with_, run: student, onBegin: () => {}, onEnd: () => {} });

async function uninterrupted(): Promise<string> {
  const journal = new Memory(origin);
  await goOn(journal);
  return journal.text;
}

describe('a search', () => {
  it('has trials of every outcome here, the recipe as it stands the first of them', async () => {
    const { state } = readSearch(Buffer.from(await uninterrupted()), 'search.jsonl');
    expect(state.trials).toHaveLength(plan.trials);
    expect(state.trials[0]?.values).toEqual(plan.own);
    expect(new Set(state.trials.map(({ end }) => end?.outcome))).toEqual(new Set(['done', 'halved', 'failed']));
    expect(ranked(state.trials, plan.objective)[0]?.end).toMatchObject({ outcome: 'done' });
  });

  it('goes on with the same lines wherever it was killed, in the middle of a line too', async () => {
    const whole = await uninterrupted();
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: origin.length, max: whole.length }), async (cut) => {
        const journal = new Memory(whole.slice(0, cut));
        await goOn(journal);
        expect(journal.text).toBe(whole);
      }),
    );
  });

  it('goes on with the same lines after a disk that was full at any of them', async () => {
    const whole = await uninterrupted();
    const lines = whole.split('\n').length - 2;
    for (let room = 0; room < lines; room += 3) {
      const full = new Memory(origin, room);
      await expect(goOn(full)).rejects.toThrow('no space left');
      const journal = new Memory(full.text);
      await goOn(journal);
      expect(journal.text).toBe(whole);
    }
  });

  it('goes on beyond the trials that it had, where more are asked for', async () => {
    const journal = new Memory(origin);
    await goOn(journal, { ...plan, trials: 6 });
    await goOn(journal);
    expect(journal.text).toBe(await uninterrupted());
  });

  it('tries nothing twice, and ends where nothing is left to try', async () => {
    const few: readonly Dimension[] = [
      { key: 'ensemble.combine', range: { choices: ['logits', 'probabilities'] } },
      { key: 'batch.size', range: { from: 1, to: 3, scale: 'linear', whole: true } },
    ];
    const journal = new Memory(origin);
    const run: RunTrial = async ({ number }) => ({ outcome: 'done', value: number });
    await searchOn({ journal, plan: { ...plan, space: few, own: null }, run, onBegin: () => {}, onEnd: () => {} });
    const tried = journal.state.trials.map(({ values }) => JSON.stringify(values));
    expect([tried.length, new Set(tried).size]).toEqual([6, 6]);
  });

  it('judges by a figure of which less is better, too', async () => {
    const journal = new Memory(origin);
    const run: RunTrial = async ({ values }) => ({ outcome: 'done', value: Number(values['optimizer.learningRate']) });
    const least: SearchPlan = { ...plan, objective: objectiveOf('loss'), trials: 12 };
    await searchOn({ journal, plan: least, run, onBegin: () => {}, onEnd: () => {} });
    const values = journal.state.trials.map(({ end }) => end?.value ?? NaN);
    expect(ranked(journal.state.trials, least.objective)[0]?.end?.value).toBe(Math.min(...values));
  });
});

describe('the journal', () => {
  const trial = '{"type":"trial","trial":1,"values":{"optimizer.learningRate":0.01,"ensemble.combine":"logits"}}\n';

  it.each([
    ['a line that is no JSON', `${origin}nonsense\n`, 'line 2: it is not what was written there'],
    ['a line of another kind', `${origin}{"type":"commit"}\n`, 'line 2: it is not what was written there'],
    ['an end without its trial', `${origin}{"type":"end","trial":1,"outcome":"done","value":1}\n`, 'end of trial 1'],
    ['a trial before the last one is over', `${origin}${trial}${trial.replace(':1,', ':2,')}`, 'trial of trial 2'],
    ['a second search', `${origin}${origin}`, 'a second search'],
  ])('is refused with %s', (_, text, message) => {
    expect(() => readSearch(Buffer.from(text), 'search.jsonl')).toThrow(message);
  });

  it('has no next trial while one is not over, and a verdict only at a rung', () => {
    const { state } = readSearch(Buffer.from(`${origin}${trial}`), 'search.jsonl');
    expect([nextTrial(plan, state), verdict(plan, state)]).toEqual([null, null]);
    const told = afterLine(state, { type: 'epoch', trial: 1, epoch: 1, of: 5, value: null });
    expect(verdict(plan, told)).toEqual({
      outcome: 'failed',
      value: null,
      reason: 'accuracy is no finite number at epoch 1',
    });
  });
});
