/** A run that is stopped in good order goes on later, and local workers live and die with their run. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commitsOf, Program, soon } from '../../bench/programs.js';
import { verifyRun } from '../../coordinator/verify/verify.js';
import { barsRecipe, steps, writeBars } from './bars.js';
import { curveOf, digestOf, scratchFolder } from './processes.js';

const scratch = scratchFolder();
const recipe = join(scratch.path, 'recipe.yaml');
const undisturbed = join(scratch.path, 'undisturbed');
afterAll(() => scratch.remove());

function run(out: string, more: readonly string[] = []): Program {
  return new Program(['run', recipe, '--workers', '2', '--out', out, ...more], {
    STILLHOUSE_CACHE: join(scratch.path, 'cache'),
  });
}

async function atStep(out: string, step: number): Promise<void> {
  while (commitsOf(out).length < step) await soon(2);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A zombie answers too.
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}

/** Process ids of a process's children, by /proc. */
function childrenOf(pid: number): number[] {
  const path = `/proc/${pid}/task/${pid}/children`;
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split(' ').filter(Boolean).map(Number) : [];
}

beforeAll(async () => {
  writeBars(scratch.path);
  writeFileSync(recipe, barsRecipe({ student: '{ builtin: mlp, hidden: [512] }', backend: 'auto' }));
  const { code, stderr } = await run(undisturbed).ended;
  expect(code, stderr).toBe(0);
});

describe('a run that is asked to stop', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGUSR1'] as const)(
    'by %s ends with 75 after its step, and the same command goes on to the same bits',
    async (signal) => {
      const out = join(scratch.path, signal);
      const first = run(out);
      await atStep(out, 5);
      first.child.kill(signal);
      const stopped = await first.ended;
      expect([stopped.code, stopped.stderr]).toEqual([
        75,
        expect.stringMatching(
          new RegExp(`stopped \\(${signal}\\) at step \\d+; run the same command again to continue`),
        ),
      ]);
      const done = commitsOf(out).length;
      expect(done).toBeLessThan(steps);
      const second = await run(out).ended;
      expect([second.code, second.stderr]).toEqual([0, expect.stringContaining(`at step ${done} of ${steps}`)]);
      expect(curveOf(out)).toEqual(curveOf(undisturbed));
      expect(digestOf(out)).toBe(digestOf(undisturbed));
    },
  );

  it('goes on with the backend that a flag named, and with no other', async () => {
    const [out, whole] = [join(scratch.path, 'flag'), join(scratch.path, 'flag-whole')];
    const onWasm = ['--backend', 'wasm'];
    const first = run(out, onWasm);
    await atStep(out, 5);
    first.child.kill('SIGTERM');
    expect((await first.ended).code).toBe(75);
    expect(await run(out).ended).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('numerics.backend') as string,
    });
    for (const folder of [out, whole]) expect((await run(folder, onWasm).ended).code).toBe(0);
    expect(curveOf(out)).toEqual(curveOf(whole));
    expect(digestOf(out)).toBe(digestOf(whole));
    expect(digestOf(out)).not.toBe(digestOf(undisturbed));
  });

  it('as a whole process group, as schedulers do it, ends with 75 all the same', async () => {
    const out = join(scratch.path, 'group');
    const first = run(out);
    await atStep(out, 5);
    for (const pid of [...childrenOf(first.child.pid ?? 0), first.child.pid ?? 0]) process.kill(pid, 'SIGTERM');
    expect((await first.ended).code).toBe(75);
  });

  it('waits for its open step, and ends at once at a second SIGINT', async () => {
    const out = join(scratch.path, 'twice');
    const first = run(out);
    await atStep(out, 2);
    const workers = childrenOf(first.child.pid ?? 0);
    for (const pid of workers) process.kill(pid, 'SIGSTOP');
    first.child.kill('SIGINT');
    await soon(300);
    expect(first.child.exitCode).toBeNull();
    first.child.kill('SIGINT');
    expect((await first.ended).code).toBe(130);
    for (const pid of workers) process.kill(pid, 'SIGKILL');
  });
});

describe('a run that is asked for a snapshot', () => {
  it('by SIGUSR2, its whole process group, takes one, says so, and goes on to the same bits', async () => {
    const out = join(scratch.path, 'asked');
    const first = run(out);
    await atStep(out, 3);
    for (const pid of [...childrenOf(first.child.pid ?? 0), first.child.pid ?? 0]) process.kill(pid, 'SIGUSR2');
    const [, step] = await first.says(/the snapshot that was asked for is on the disk: step (\d+)/);
    expect(
      readdirSync(join(out, 'snapshots')).some((name) => name.startsWith(`${step}-`) && name.endsWith('.json')),
    ).toBe(true);
    const { code, stderr } = await first.ended;
    expect(code, stderr).toBe(0);
    expect(curveOf(out)).toEqual(curveOf(undisturbed));
    expect(digestOf(out)).toBe(digestOf(undisturbed));
  });

  it('while it has no worker, takes one of the state as it is', async () => {
    const out = join(scratch.path, 'asked-idle');
    const coordinator = new Program(['coordinator', recipe, '--listen', '127.0.0.1:0', '--insecure', '--out', out], {
      STILLHOUSE_CACHE: join(scratch.path, 'cache'),
    });
    await coordinator.says(/waiting: no worker is ready/);
    coordinator.child.kill('SIGUSR2');
    await coordinator.says(/the snapshot that was asked for is on the disk: step 0/);
    coordinator.child.kill('SIGTERM');
    expect((await coordinator.ended).code).toBe(75);
  });
});

describe('--resume', () => {
  it('begins no run, and goes on with one that was stopped', async () => {
    const out = join(scratch.path, 'resumed');
    const none = await run(out, ['--resume']).ended;
    expect([none.code, none.stderr]).toEqual([
      2,
      expect.stringContaining(`--resume: ${out} holds no run; one of this recipe was wanted`),
    ]);
    const first = run(out);
    await atStep(out, 4);
    first.child.kill('SIGTERM');
    expect((await first.ended).code).toBe(75);
    const { code, stderr } = await run(out, ['--resume']).ended;
    expect([code, stderr]).toEqual([0, expect.stringMatching(/continuing .* at step \d+ of 30/)]);
    expect(digestOf(out)).toBe(digestOf(undisturbed));
    const summary = readFileSync(join(out, 'summary.json'), 'utf8');
    const over = await run(out, ['--resume']).ended;
    expect([over.code, over.stdout, over.stderr]).toEqual([
      0,
      expect.stringMatching(/30 steps, [^]*student lies in/),
      expect.stringContaining(`is finished in ${out}: nothing is computed again`),
    ]);
    expect(readFileSync(join(out, 'summary.json'), 'utf8')).toBe(summary);
  });
});

describe('local workers', () => {
  it('end when their run is killed', async () => {
    const out = join(scratch.path, 'orphans');
    const parent = run(out);
    await atStep(out, 2);
    const workers = childrenOf(parent.child.pid ?? 0);
    expect(workers).toHaveLength(2);
    parent.child.kill('SIGKILL');
    await parent.ended;
    while (workers.some(isAlive)) await soon(20);
  });
});

describe('a run that is stopped', () => {
  it('goes on with another compression, without force, and says that its bits differ', async () => {
    const out = join(scratch.path, 'compressed');
    const first = run(out);
    await atStep(out, 5);
    first.child.kill('SIGTERM');
    expect((await first.ended).code).toBe(75);
    const before = commitsOf(out);
    // The state is then rebuilt from the log, each commit in its own encoding.
    for (const name of readdirSync(join(out, 'snapshots')))
      if (!name.startsWith('0-')) rmSync(join(out, 'snapshots', name));
    const second = run(out, ['--set', 'compression=int8']);
    await atStep(out, before.length + 5);
    second.child.kill('SIGTERM');
    const stopped = await second.ended;
    expect([stopped.code, stopped.stderr]).toEqual([
      75,
      expect.stringMatching(
        /continuing at step \d+ with another recipe: compression: "none" there, "int8" here; from here on its bits are the new recipe's/,
      ),
    ]);
    const third = await run(out, ['--set', 'compression=bf16']).ended;
    expect(third.code, third.stderr).toBe(0);
    expect(commitsOf(out).slice(0, before.length)).toEqual(before);
    expect(commitsOf(out)).toHaveLength(steps);
    expect(digestOf(out)).not.toBe(digestOf(undisturbed));
    const { checks } = await verifyRun(out);
    expect(checks.filter(({ isSound }) => !isSound)).toEqual([]);
    expect(checks.find(({ name }) => name === 'log')?.text).toContain('gradients in');
  });
});

describe('the folder of a run', () => {
  it('is kept once the run has ended, and the next goes beside it where that is asked for', async () => {
    const told = await run(undisturbed, ['--json']).ended;
    expect([told.code, JSON.parse(told.stdout)]).toEqual([
      0,
      expect.objectContaining({ digest: digestOf(undisturbed) }),
    ]);
    const refused = await run(undisturbed, ['--seed', '12']).ended;
    expect([refused.code, refused.stdout, refused.stderr]).toEqual([
      2,
      '',
      expect.stringContaining(
        `stillhouse: ${undisturbed}: holds a finished run of another recipe; another --out wanted, or --number to go beside it (${undisturbed}-2), or --overwrite to replace it\n`,
      ),
    ]);
    const { code, stdout } = await run(undisturbed, ['--number']).ended;
    expect([code, stdout]).toEqual([0, expect.stringContaining(`${undisturbed}-2/student`)]);
    expect(digestOf(`${undisturbed}-2`)).toBe(digestOf(undisturbed));
    const again = await run(`${undisturbed}-2`, ['--overwrite', '--set', 'epochs=1']).ended;
    expect([again.code, again.stdout]).toEqual([0, expect.stringContaining(`${undisturbed}-2/student`)]);
    expect(digestOf(`${undisturbed}-2`)).not.toBe(digestOf(undisturbed));
  });

  it('is refused to another recipe while its run has not ended', async () => {
    const out = join(scratch.path, 'other-recipe');
    const first = run(out);
    await atStep(out, 2);
    first.child.kill('SIGTERM');
    expect((await first.ended).code).toBe(75);
    const { code, stderr } = await run(out, ['--seed', '12']).ended;
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(
        /holds an unfinished run of another recipe: seed: 11 there, 12 here; finish that run, choose another --out, or continue it with this recipe by --force/,
      ),
    ]);
    expect((await run(out).ended).code).toBe(0);
  });

  it('is continued with another recipe by force, where its steps so far stay what they were', async () => {
    const out = join(scratch.path, 'forced');
    const first = run(out);
    await atStep(out, 2);
    first.child.kill('SIGTERM');
    expect((await first.ended).code).toBe(75);
    const before = commitsOf(out);
    const refused = await run(out, ['--force', '--set', 'batch.size=20']).ended;
    expect([refused.code, refused.stderr]).toEqual([
      2,
      expect.stringMatching(
        /is not in this recipe's plan of steps; batch size, sample counts and evaluations must stay/,
      ),
    ]);
    const forced = await run(out, ['--force', '--set', 'optimizer.learningRate=0.003']).ended;
    expect([forced.code, forced.stderr]).toEqual([
      0,
      expect.stringMatching(
        /continuing at step \d+ with another recipe: optimizer.learningRate: \S+ there, 0.003 here/,
      ),
    ]);
    expect(commitsOf(out).slice(0, before.length)).toEqual(before);
    expect(digestOf(out)).not.toBe(digestOf(undisturbed));
    expect((await verifyRun(out)).checks.filter(({ isSound }) => !isSound)).toEqual([]);
  });
});
