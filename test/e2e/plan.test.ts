/** A plan of a recipe: measured here, from what was printed before, and what is wrong with it said in one line. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Program, type Ended } from '../../bench/programs.js';
import type { StepPrediction, StepShape, StepSpeeds } from '../../cli/plan/step-model.js';
import { barsRecipe, writeBars } from './bars.js';
import { scratchFolder } from './processes.js';

const scratch = scratchFolder();
const folder = scratch.path;
afterAll(() => scratch.remove());
beforeAll(() => {
  writeBars(folder);
  writeFileSync(
    join(folder, 'recipe.yaml'),
    barsRecipe({ student: '{ builtin: mlp, hidden: [16] }', backend: 'auto' }),
  );
});

function plan(...flags: readonly string[]): Promise<Ended> {
  const cache = { STILLHOUSE_CACHE: join(folder, 'cache') };
  return new Program(['plan', 'recipe.yaml', ...flags], cache, 100_000, [], folder).ended;
}

interface Printed {
  readonly speeds: StepSpeeds;
  readonly shape: StepShape;
  readonly prediction: StepPrediction;
}

describe('plan', () => {
  it('measures a step here, keeps nothing of it, and plans again from what it printed', async () => {
    const measured = await plan('--json', '--hosts', '2');
    expect(measured.code, measured.stderr).toBe(0);
    const { speeds, shape, prediction } = JSON.parse(measured.stdout) as Printed;
    expect([shape.samples, shape.microBatches]).toEqual([32, 7]);
    expect([speeds.studentMs > 0, speeds.fsyncMs > 0, speeds.labelMs < speeds.studentMs]).toEqual([true, true, true]);
    expect(prediction.workers).toBe(2);
    expect(existsSync(join(folder, 'runs'))).toBe(false);

    writeFileSync(join(folder, 'speeds.json'), measured.stdout);
    const flags = ['--speeds', 'speeds.json', '--student-ms', '250', '--bandwidth', '25Gbit', '--latency', '0.1ms'];
    const given = await plan(...flags, '--hosts', '8', '--gpus', '8');
    expect(given.code, given.stderr).toBe(0);
    expect(given.stdout).toMatch(/^64 workers \(8 hosts, 8 each\): \d+ ms a step, \d+ samples\/s, efficiency \d+ %\n/);
    expect(given.stdout).toContain('bottleneck: compute\n');
    expect(given.stdout).toContain('7 micro-batches a step give 7 of 64 workers something to do');
    expect(given.stderr).not.toContain('measuring');
  });

  it('of one more micro-batch than workers takes as long as two', async () => {
    writeFileSync(
      join(folder, 'slow.json'),
      JSON.stringify({
        speeds: {
          ...{ labelMs: 0, studentMs: 1000, addMs: 0, loadMs: 0, sendMs: 0, receiveMs: 0, applyMs: 0 },
          ...{ commitReduceMs: 0, commitApplyMs: 0, fsyncMs: 0, otherMs: 0 },
        },
      }),
    );
    const { stdout } = await plan('--speeds', 'slow.json', '--gpus', '6');
    expect(stdout).toContain('6 workers (1 host, 6 each): 2000 ms a step');
  });

  it.each([
    [['--speeds', 'nowhere.json'], 'nowhere.json: no such file'],
    [['--speeds', 'recipe.yaml'], 'recipe.yaml: the file'],
    [['--hosts', '0'], 'at least 1'],
    [['--bandwidth', '25GB'], '25Gbit'],
    [['--latency', '5'], '0.1ms'],
    [['--student-ms', 'fast'], 'milliseconds'],
  ])('with %j is refused', async (flags, wish) => {
    const { code, stderr } = await plan(...flags);
    expect([code, stderr.includes(wish)], stderr).toEqual([2, true]);
  });
});
