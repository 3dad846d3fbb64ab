/** Several workers of one host, by one command: what becomes of the run when one of them dies. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commitsOf, Program, soon } from '../../bench/programs.js';
import { barsRecipe, writeBars } from './bars.js';
import {
  curveOf,
  digestOf,
  scratchFolder,
  startCoordinator,
  startWorker,
  token,
  urlOf,
  type Place,
} from './processes.js';

const scratch = scratchFolder();
const place = (out: string): Place => ({
  ...{ recipe: join(scratch.path, 'recipe.yaml'), out: join(scratch.path, out), caches: join(scratch.path, 'caches') },
});
afterAll(() => scratch.remove());

/** Process ids of a process's children that are workers, by /proc. */
function workersOf(pid: number): number[] {
  const path = `/proc/${pid}/task/${pid}/children`;
  const children = existsSync(path) ? readFileSync(path, 'utf8').trim().split(' ').filter(Boolean).map(Number) : [];
  return children.filter((child) => readFileSync(`/proc/${child}/cmdline`, 'utf8').includes('worker'));
}

const coresOf = (pid: number): string =>
  /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '';

function isAlive(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}

function startHost(url: string): Program {
  const environment = { STILLHOUSE_CACHE: join(scratch.path, 'caches', 'host'), STILLHOUSE_TOKEN: token };
  return new Program(['worker', url, '--devices', 'cpu:2', '--backend', 'wasm'], environment, 100_000);
}

beforeAll(async () => {
  writeBars(scratch.path);
  const recipe = barsRecipe({ student: '{ builtin: mlp, hidden: [256] }' });
  writeFileSync(place('').recipe, recipe.replace(/epochs: \d+/, 'epochs: 60'));
  const coordinator = startCoordinator(place('undisturbed'));
  const alone = startWorker(place('undisturbed'), 'w0', await urlOf(coordinator));
  expect([(await coordinator.ended).code, (await alone.ended).code]).toEqual([0, 0]);
});

describe('worker --devices cpu:2', () => {
  it('is killed, and its workers leave in good order', async () => {
    const run = place('orphans');
    const coordinator = startCoordinator(run, { expect: 2 });
    const url = await urlOf(coordinator);
    const host = startHost(url);
    while (commitsOf(run.out).length < 3) await soon(2);
    const workers = workersOf(host.child.pid ?? 0);
    expect(workers).toHaveLength(2);
    host.child.kill('SIGKILL');
    await coordinator.says(/w1 left: its parent process ended/);
    await coordinator.says(/w2 left: its parent process ended/);
    while (workers.some(isAlive)) await soon(20);
    const other = startWorker(run, 'w0', url);
    expect([(await coordinator.ended).code, (await other.ended).code]).toEqual([0, 0]);
    expect(digestOf(run.out)).toBe(digestOf(place('undisturbed').out));
  });

  it('starts one again that was killed, and the run has the same bits', async () => {
    const run = place('killed');
    const coordinator = startCoordinator(run, { expect: 2 });
    const host = startHost(await urlOf(coordinator));
    while (commitsOf(run.out).length < 3) await soon(2);
    const workers = workersOf(host.child.pid ?? 0);
    expect(new Set(workers.map(coresOf)).size).toBe(2);
    process.kill(workers[0] ?? 0, 'SIGKILL');
    await host.says(/cpu \d: killed by SIGKILL.*; started again in 1 s \(fault 1\)/);
    await coordinator.says(/w3 \(.*\) is the first to fail, with 137: the process before it was killed by SIGKILL/);
    await coordinator.says(/w3 \(.*\) is ready/);
    const ends = await Promise.all([coordinator.ended, host.ended]);
    expect(ends.map(({ code, stderr }) => [code, code === 0 ? '' : stderr])).toEqual([
      [0, ''],
      [0, ''],
    ]);
    expect(curveOf(run.out)).toEqual(curveOf(place('undisturbed').out));
    expect(digestOf(run.out)).toBe(digestOf(place('undisturbed').out));
  });

  it('has all of them leave in good order on SIGTERM', async () => {
    const run = place('left');
    const coordinator = startCoordinator(run, { expect: 2 });
    const host = startHost(await urlOf(coordinator));
    while (commitsOf(run.out).length < 3) await soon(2);
    host.child.kill('SIGTERM');
    expect((await host.ended).code).toBe(75);
    await coordinator.says(/w1 left: stopped \(SIGTERM\)/);
    await coordinator.says(/w2 left: stopped \(SIGTERM\)/);
    const rest = startWorker(run, 'rest', await urlOf(coordinator));
    expect([(await coordinator.ended).code, (await rest.ended).code]).toEqual([0, 0]);
    expect(digestOf(run.out)).toBe(digestOf(place('undisturbed').out));
  });
});

describe('worker --preemption-notice', () => {
  it('leaves in good order once the notice is there, and the run goes on without it', async () => {
    const run = place('preempted');
    // It waits for a second worker, so that it is still there when the notice comes.
    const coordinator = startCoordinator(run, { expect: 2 });
    const url = await urlOf(coordinator);
    const notice = join(scratch.path, 'notice');
    const environment = { STILLHOUSE_CACHE: join(scratch.path, 'caches', 'spot'), STILLHOUSE_TOKEN: token };
    const spot = new Program(['worker', url, '--backend', 'wasm', '--preemption-notice', notice], environment, 100_000);
    await coordinator.says(/waiting for 2 workers: 1 ready/);
    writeFileSync(notice, 'taken away at noon');
    expect((await spot.ended).code).toBe(75);
    await coordinator.says(/w1 left: stopped \(preempted: taken away at noon\)/);
    const rest = ['r1', 'r2'].map((name) => startWorker(run, name, url));
    expect((await coordinator.ended).code).toBe(0);
    for (const program of rest) expect((await program.ended).code).toBe(0);
    expect(digestOf(run.out)).toBe(digestOf(place('undisturbed').out));
  });
});
