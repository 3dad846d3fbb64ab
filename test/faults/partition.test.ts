/**
 * A network that is really cut: two network namespaces and the link between them, taken down in the middle of a run and
 * put up again. No socket is told; nothing is reset. Namespaces take root and `ip`.
 */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commitsOf, soon } from '../../bench/programs.js';
import { scratchFolder, startCoordinator, startWorker, urlOf } from '../e2e/processes.js';
import { BarsRuns, expectDone } from './bars-run.js';

const scratch = scratchFolder();
const runs = new BarsRuns(scratch.path);
const name = (side: string): string => `stillhouse-${process.pid}-${side}`;
const inside = (side: string): string[] => ['ip', 'netns', 'exec', name(side)];
const ip = (...args: string[]): void => void execFileSync('ip', args, { stdio: 'pipe' });

function canSeparate(): boolean {
  try {
    ip('netns', 'add', name('probe'));
    ip('netns', 'del', name('probe'));
    return true;
  } catch {
    return false;
  }
}

/**
 * The coordinator is in one namespace, workers behind the link are in the other; 192.0.2.0/24 is for examples (RFC
 * 5737).
 */
function join(): void {
  for (const side of ['a', 'b']) ip('netns', 'add', name(side));
  ip('link', 'add', 'link-a', 'netns', name('a'), 'type', 'veth', 'peer', 'name', 'link-b', 'netns', name('b'));
  for (const [side, address] of [
    ['a', '192.0.2.1/30'],
    ['b', '192.0.2.2/30'],
  ] as const) {
    ip('-n', name(side), 'addr', 'add', address, 'dev', `link-${side}`);
    ip('-n', name(side), 'link', 'set', `link-${side}`, 'up');
    ip('-n', name(side), 'link', 'set', 'lo', 'up');
  }
}

const setLink = (state: 'up' | 'down'): void => ip('-n', name('a'), 'link', 'set', 'link-a', state);

describe.runIf(canSeparate())('a partition', () => {
  beforeAll(async () => {
    await runs.runUndisturbed();
    join();
  });
  afterAll(() => {
    scratch.remove();
    for (const side of ['a', 'b']) ip('netns', 'del', name(side));
  });

  it('between the coordinator and all workers: it waits, they come back, and no bit changes', async () => {
    const place = runs.placeOf('partition-all');
    const coordinator = startCoordinator(place, { expect: 2, host: '192.0.2.1', through: inside('a') });
    const url = await urlOf(coordinator);
    const workers = ['w0', 'w1'].map((worker) => startWorker(place, worker, url, {}, inside('b')));
    while (commitsOf(place.out).length < 5) await soon(2);
    setLink('down');
    await coordinator.says(/is silent for \d+ ms[^]*is silent for \d+ ms[^]*waiting: no worker is ready/);
    const waiting = commitsOf(place.out).length;
    await soon(2000);
    expect(commitsOf(place.out).length).toBe(waiting);
    expect(waiting).toBeLessThan(30);
    setLink('up');
    await expectDone(coordinator, ...workers);
    await runs.expectUndisturbed(place);
  });

  it('of a shared folder, which no lock spans: the coordinator that came first commits nothing any more, and the second ends the run', async () => {
    const place = runs.placeOf('shared folder');
    const first = startCoordinator(place, { host: '192.0.2.1', through: inside('a') });
    const behind = startWorker(place, 'behind', await urlOf(first), {}, inside('b'));
    while (commitsOf(place.out).length < 5) await soon(2);
    const second = startCoordinator(place, { host: '192.0.2.2', through: inside('b') });
    const { code, stderr } = await first.ended;
    expect([code, stderr]).toEqual([
      69,
      expect.stringMatching(
        /another coordinator, elsewhere, has taken over this run folder .* this one has committed nothing since/,
      ),
    ]);
    behind.child.kill('SIGKILL');
    await expectDone(second, startWorker(place, 'second', await urlOf(second), {}, inside('b')));
    await runs.expectUndisturbed(place);
  });

  it('between the coordinator and one of two workers: the other goes on alone, and no bit changes', async () => {
    const place = runs.placeOf('partition-one');
    const coordinator = startCoordinator(place, { expect: 2, host: '192.0.2.1', through: inside('a') });
    const url = await urlOf(coordinator);
    const behind = startWorker(place, 'behind', url, {}, inside('b'));
    const beside = startWorker(place, 'beside', url, {}, inside('a'));
    while (commitsOf(place.out).length < 5) await soon(2);
    setLink('down');
    await expectDone(coordinator, beside);
    expect(coordinator.stderr).toMatch(/is silent for \d+ ms|is late/);
    setLink('up');
    behind.child.kill('SIGKILL');
    await behind.ended;
    await runs.expectUndisturbed(place);
  });
});
