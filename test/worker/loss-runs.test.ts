/** Whole runs with every loss term: the same bits for any number of workers, and numbers that change over the steps. */
import { describe, expect, it } from 'vitest';
import { isTerm, terms } from '../../shared/recipe/terms.js';
import { curve, prepared, whole } from './real-runs.js';

const student = { builtin: 'mlp', hidden: [8] };
const short = { epochs: 1 };

describe('a run', () => {
  it.each(Object.keys(terms).filter(isTerm))('with %s has the same bits with 1, 2 and 3 workers', async (term) => {
    const run = await prepared(student, { ...short, losses: { crossEntropy: { weight: 0.1 }, [term]: { weight: 0.5 } } });
    const [one, two, three] = [await whole(run, 1), await whole(run, 2), await whole(run, 3)];
    expect(curve(two.lines)).toEqual(curve(one.lines));
    expect(curve(three.lines)).toEqual(curve(one.lines));
    const [first] = one.lines.filter((line) => line.type === 'commit');
    expect(first?.loss[term]).toBeGreaterThan(0);
  }, 60_000);

  it.each([
    ['a temperature', { weight: 1, temperature: { from: 3, to: 1, over: 'step', steps: 2 } }],
    ['a weight', { weight: { from: 1, to: 0.25, over: 'cosine', start: 1, steps: 1 }, temperature: 3 }],
  ])('follows the schedule of %s, the same with 1 and 2 workers', async (what, response) => {
    const of = async (term: unknown, workers: number): Promise<Awaited<ReturnType<typeof whole>>> => whole(await prepared(student, { epochs: 2, losses: { crossEntropy: { weight: 0.1 }, response: term } }), workers);
    const [scheduled, constant] = [await of(response, 1), await of({ weight: 1, temperature: 3 }, 1)];
    expect(curve((await of(response, 2)).lines)).toEqual(curve(scheduled.lines));
    const values = ({ lines }: typeof scheduled): (number | undefined)[] => lines.flatMap((line) => (line.type === 'commit' ? [line.loss.response] : []));
    // A loss is taken before the update: the temperature of step 2 shows in it, the weight of step 2 in step 3.
    const same = what === 'a temperature' ? 2 : 3;
    expect(values(scheduled).slice(0, same)).toEqual(values(constant).slice(0, same));
    expect(values(scheduled)[same]).not.toBe(values(constant)[same]);
  }, 60_000);
});
