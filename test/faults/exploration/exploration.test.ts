/**
 * Every interleaving of a small model, by a program: two workers, two steps, all deliveries, and one crash of anyone at
 * any moment. From every state that can be reached the run comes to its end, and no rule is broken on the way.
 */
import { describe, expect, it } from 'vitest';
import { World, type WorldOptions } from './world.js';

interface Explored {
  readonly states: number;
  /** Ends, by outcome. */
  readonly ends: Readonly<Record<string, number>>;
  readonly choices: ReadonlySet<string>;
  /**
   * Histories that led to a state met before: every next state of each was compared with that of the history met first.
   */
  readonly merges: number;
}

/**
 * Depth first; a history whose state was met before is not followed again. Worlds cannot be copied, so each branch but
 * the first repeats its history.
 * @throws Error with the choices that lead to a broken rule, to a state without a way on, or round in a circle
 */
function explore(options: WorldOptions): Explored {
  const met = new Map<string, { readonly next: Map<string, string> }>();
  const onPath = new Set<string>();
  const ends: Record<string, number> = {};
  const choices = new Set<string>();
  let merges = 0;

  const repeat = (history: readonly string[]): World => {
    const world = new World(options);
    for (const choice of history) world.take(choice);
    return world;
  };

  const compare = (history: readonly string[], fingerprint: string): void => {
    merges++;
    for (const [choice, next] of met.get(fingerprint)?.next ?? []) {
      if (repeat([...history, choice]).fingerprint() !== next)
        throw new Error(`the fingerprint hides something that matters to "${choice}"`);
    }
  };

  const visit = (history: readonly string[], world: World): string => {
    const fingerprint = world.fingerprint();
    if (onPath.has(fingerprint)) throw new Error('a circle');
    if (met.has(fingerprint)) {
      compare(history, fingerprint);
      return fingerprint;
    }
    const next = new Map<string, string>();
    met.set(fingerprint, { next });
    const open = world.choices();
    if (open.length === 0) {
      ends[world.outcome ?? 'stuck'] = (ends[world.outcome ?? 'stuck'] ?? 0) + 1;
      if (world.outcome !== 'done') throw new Error('nothing can happen any more');
    }
    onPath.add(fingerprint);
    open.forEach((choice, i) => {
      choices.add(choice.replace(/^\d/, 'a worker'));
      const follow = [...history, choice];
      try {
        const branch = i === open.length - 1 ? world : repeat(history);
        branch.take(choice);
        next.set(choice, visit(follow, branch));
      } catch (error) {
        if (error instanceof Error && !error.message.includes('after:'))
          error.message += `, after: ${follow.join(', ')}`;
        throw error;
      }
    });
    onPath.delete(fingerprint);
    return fingerprint;
  };

  visit([], new World(options));
  return { states: met.size, ends, choices, merges };
}

const everything = [
  'a worker connects',
  'a worker dies',
  'a worker has computed',
  'a worker hears',
  'a worker is heard',
  'a worker is missed',
  'a worker starts',
  'committed',
  'coordinator dies',
  'coordinator starts',
  'written',
];

describe('every interleaving', () => {
  it.each<[string, WorldOptions]>([
    ['two workers, two steps and one crash', { steps: [2, 2], workers: 2, crashes: 1 }],
    ['two workers, two steps that no power of two divides, and one crash', { steps: [3, 3], workers: 2, crashes: 1 }],
    ['two workers, two steps and two crashes', { steps: [2, 2], workers: 2, crashes: 2 }],
    ['three workers, one step and one crash', { steps: [3], workers: 3, crashes: 1 }],
  ])('of %s comes to the end', (_name, options) => {
    const { ends, choices, states, merges } = explore(options);
    expect(Object.keys(ends)).toEqual(['done']);
    expect([...choices].sort()).toEqual(everything);
    expect(Math.min(states, merges)).toBeGreaterThan(2000);
  });

  it.each<[string, WorldOptions]>([
    ['two steps and a crash of the coordinator', { steps: [2, 1], workers: 3, crashes: 1, isAudited: true }],
    [
      'one step that no power of two divides, and two crashes of it',
      { steps: [3], workers: 3, crashes: 2, isAudited: true },
    ],
  ])('of two honest workers and one that lies, all audited, %s comes to the end without a lie', (_name, options) => {
    const { ends, choices, states, merges } = explore(options);
    expect(Object.keys(ends)).toEqual(['done']);
    const deaths = ['a worker dies', 'a worker is missed', 'a worker starts'];
    expect([...choices].sort()).toEqual(everything.filter((choice) => !deaths.includes(choice)));
    expect(Math.min(states, merges)).toBeGreaterThan(500);
  });

  it.each<[string, WorldOptions]>([
    ['at the second step', { steps: [2, 2], workers: 2, crashes: 1, brokenFrom: 1 }],
    [
      'at the first step, of two that no power of two divides',
      { steps: [3, 2], workers: 2, crashes: 1, brokenFrom: 0 },
    ],
  ])('with a teacher that fails everywhere %s comes to the end without it', (_name, options) => {
    const { ends, choices, states, merges } = explore(options);
    expect(Object.keys(ends)).toEqual(['done']);
    expect([...choices].sort()).toEqual(everything);
    expect(Math.min(states, merges)).toBeGreaterThan(2000);
  });
});
