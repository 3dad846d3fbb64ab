/**
 * Adapters are part of the state: a run with them that is stopped goes on to the same bits, and what is written has
 * none.
 */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { commitsOf, Program, soon } from '../../bench/programs.js';
import { decodeSafetensors } from '../../shared/models/safetensors.js';
import { barsRecipe, steps, writeBars } from './bars.js';
import { curveOf, digestOf, scratchFolder } from './processes.js';

const scratch = scratchFolder();
const at = (name: string): string => join(scratch.path, name);
afterAll(() => scratch.remove());

const run = (recipe: string, out: string, more: readonly string[] = []): Program =>
  new Program(['run', at(recipe), '--workers', '2', '--backend', 'wasm', '--out', at(out), ...more], {
    STILLHOUSE_CACHE: at('cache'),
  });

describe('a run with adapters', () => {
  it('that is stopped goes on to the bits of one that was not; adapters are in its snapshots and not in its student', async () => {
    writeBars(scratch.path);
    writeFileSync(at('teacher.yaml'), barsRecipe({ student: '{ builtin: mlp, hidden: [24] }' }));
    expect((await run('teacher.yaml', 'teacher', ['--set', 'optimizer.learningRate=0.01']).ended).code).toBe(0);
    const hints =
      'crossEntropy: { weight: 0.5 }\n  features: { weight: 0.5, pairs: [{ student: dense1, teacher: t/dense1, adapter: dense, batchNorm: true }] }';
    writeFileSync(
      at('r.yaml'),
      barsRecipe({ student: '{ builtin: mlp, hidden: [256] }', teacher: 'teacher/student/model.json' }).replace(
        'crossEntropy: { weight: 0.5 }',
        hints,
      ),
    );
    const whole = await run('r.yaml', 'whole').ended;
    expect(whole.code, whole.stderr).toBe(0);
    expect(whole.stderr).toContain(
      'total = 0.5 x crossEntropy + 0.5 x 9 x KL(ensemble || student at T=3) + 0.5 x features (dense1 -> t/dense1 by dense)\n',
    );

    const first = run('r.yaml', 'stopped');
    while (commitsOf(at('stopped')).length < 5) await soon(2);
    first.child.kill('SIGTERM');
    expect((await first.ended).code).toBe(75);
    expect(commitsOf(at('stopped')).length).toBeLessThan(steps);
    // Weights of student and adapter, and the two moments of each that Adam keeps.
    const student = 64 * 256 + 256 + 256 * 4 + 4;
    const adapter = 256 * 24 + 24 + 24 + 24;
    const snapshots = readdirSync(at('stopped/snapshots'))
      .filter((name) => name.endsWith('.json'))
      .map((name) => JSON.parse(readFileSync(at(`stopped/snapshots/${name}`), 'utf8')) as { bytes: number });
    for (const { bytes } of snapshots) expect(bytes).toBeGreaterThanOrEqual(3 * 4 * (student + adapter));
    expect((await run('r.yaml', 'stopped').ended).code).toBe(0);
    expect([digestOf(at('stopped')), curveOf(at('stopped'))]).toEqual([digestOf(at('whole')), curveOf(at('whole'))]);
    const written = decodeSafetensors(readFileSync(at('stopped/student/student.safetensors')), 'student.safetensors');
    expect([...written.keys()]).toEqual(['dense1/kernel', 'dense1/bias', 'logits/kernel', 'logits/bias']);
  }, 120_000);
});
