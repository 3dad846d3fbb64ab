/**
 * Every kind of file of a run's folder, damaged in every way, in a run that is finished, stopped or killed: nothing that
 * changed is used unnoticed, and a start agrees with `verify`. A short part runs here; `npm run damages` tries each kind
 * of file in each state 2,000 times (STILLHOUSE_DAMAGES=N for another number).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RandomStream } from '../simulation/random-stream.js';
import { DamagedRuns, kinds, states, type State, type Trial } from './damaged-runs.js';

const trials = Number(process.env.STILLHOUSE_DAMAGES ?? 12);
const folder = mkdtempSync(join(tmpdir(), 'stillhouse-damage-'));
const runs = new DamagedRuns(folder);
beforeAll(() => runs.make());
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Trials that changed something. Each has a seed of its own, so that one that fails can be repeated alone. */
async function tryKind(state: State, kind: string): Promise<Trial[]> {
  const done: Trial[] = [];
  for (let i = 0; i < trials; i++) {
    const seed = (states.indexOf(state) * 100 + Object.keys(kinds).indexOf(kind)) * 1_000_000 + i;
    const trial = await runs.try(state, kind, new RandomStream(seed)).catch((error: unknown) => {
      throw new Error(`${state}, ${kind}, seed ${seed}`, { cause: error });
    });
    if (trial !== null) done.push(trial);
  }
  return done;
}

describe.each(states)('a run that is %s', (state) => {
  it.each(Object.keys(kinds))('uses nothing unnoticed that changed in a file of this kind: %s', async (kind) => {
    if (!runs.has(state, kind)) return expect(['summary', 'student', 'studentBest', 'best']).toContain(kind);
    const done = await tryKind(state, kind);
    expect(done.filter(({ faults }) => faults.length > 0)).toEqual([]);
    expect(done.length).toBeGreaterThan(trials / 2);
    if (trials > 100) {
      const count = (isSound: boolean, start: string): number =>
        done.filter((trial) => trial.isSound === isSound && trial.start === start).length;
      const cells = ['silent', 'warned', 'refused'].map(
        (start) => `${start} ${count(true, start)}/${count(false, start)}`,
      );
      process.stdout.write(`${state}, ${kind}: ${done.length}; sound/damaged by verify: ${cells.join(', ')}\n`);
    }
  });
});
