/**
 * A worker behind a bad network, and one that is frozen: the run goes on with the other one and ends with the bits of a
 * run that nothing disturbed. Contributions and commits have two chunks, about 1.1 MB.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commitsOf, type Program, soon } from '../../bench/programs.js';
import { onSocket, scratchFolder, startCoordinator, startWorker, urlOf } from '../e2e/processes.js';
import { BarsRuns, expectDone } from './bars-run.js';
import { Proxy, type Behaviour } from '../../bench/proxy.js';

const scratch = scratchFolder();
const runs = new BarsRuns(scratch.path);
beforeAll(() => runs.runUndisturbed());
afterAll(() => scratch.remove());

/** Ends the run with one worker behind the proxy and one beside it. The one behind may be left outside at the end. */
async function runBehind(
  name: string,
  behaviourOf: (connection: number) => Behaviour,
): Promise<{ proxy: Proxy; coordinator: Program; behind: Program }> {
  const place = runs.placeOf(name);
  const coordinator = startCoordinator(place, { expect: 2 });
  const url = await urlOf(coordinator);
  const proxy = new Proxy(Number(new URL(url).port), behaviourOf);
  const behind = startWorker(place, 'behind', `ws://127.0.0.1:${await proxy.listen()}`, {}, undefined, onSocket);
  const beside = startWorker(place, 'beside', url);
  await expectDone(coordinator, beside);
  await runs.expectUndisturbed(place);
  return { proxy, coordinator, behind };
}

const inMidUpload = 5_700_000;
const inMidCommit = 5_300_000;
const once =
  (behaviour: Behaviour) =>
  (connection: number): Behaviour =>
    connection === 0 ? behaviour : {};

describe('a worker behind a network that', () => {
  it('delays takes part', async () => {
    const { proxy, behind } = await runBehind('delays', () => ({ delayMs: 40 }));
    await expectDone(behind);
    expect(proxy.connections).toBe(1);
    proxy.close();
  });

  it('throttles takes part without being taken for dead', async () => {
    const { proxy, coordinator, behind } = await runBehind('throttles', () => ({ bytesPerSecond: 4_000_000 }));
    await expectDone(behind);
    expect(proxy.connections).toBe(1);
    expect(coordinator.stderr).not.toContain('silent');
    proxy.close();
  });

  it.each([
    ['resets in mid-upload', { how: 'reset', direction: 'up', afterBytes: inMidUpload }],
    ['resets in mid-commit', { how: 'reset', direction: 'down', afterBytes: inMidCommit }],
    ['half-closes upwards in mid-upload', { how: 'half-close', direction: 'up', afterBytes: inMidUpload }],
    ['half-closes downwards in mid-commit', { how: 'half-close', direction: 'down', afterBytes: inMidCommit }],
    ['flips a bit on its way up', { how: 'corrupt', direction: 'up', afterBytes: inMidUpload }],
    ['flips a bit on its way down', { how: 'corrupt', direction: 'down', afterBytes: inMidCommit }],
    ['leaves a piece out on its way up', { how: 'truncate', direction: 'up', afterBytes: inMidUpload }],
    ['leaves a piece out on its way down', { how: 'truncate', direction: 'down', afterBytes: inMidCommit }],
  ] as const)('%s changes no bit', async (name, cut) => {
    const { proxy, behind } = await runBehind(name, once({ cut }));
    expect(proxy.fired).toEqual([`${cut.how} ${cut.direction} after ${cut.afterBytes}`]);
    behind.child.kill('SIGKILL');
    await behind.ended;
    proxy.close();
  });

  it.each(['up', 'down'] as const)(
    'swallows everything %swards, without a close, changes no bit either',
    async (direction) => {
      const { proxy, coordinator, behind } = await runBehind(
        `swallows ${direction}`,
        once({ cut: { how: 'swallow', direction, afterBytes: direction === 'up' ? inMidUpload : inMidCommit } }),
      );
      expect(proxy.fired).toHaveLength(1);
      expect(coordinator.stderr).toMatch(/silent for \d+ ms|left: .*open again|is late/);
      behind.child.kill('SIGKILL');
      await behind.ended;
      proxy.close();
    },
  );
});

describe('a worker that is frozen', () => {
  it('is found out by its heartbeats; its work goes to the other; it comes back when it thaws', async () => {
    const place = runs.placeOf('frozen');
    const coordinator = startCoordinator(place, { expect: 2 });
    const url = await urlOf(coordinator);
    const frozen = startWorker(place, 'frozen', url);
    const other = startWorker(place, 'other', url);
    while (commitsOf(place.out).length < 3) await soon(2);
    frozen.child.kill('SIGSTOP');
    await coordinator.says(/silent for \d+ ms/);
    frozen.child.kill('SIGCONT');
    await expectDone(coordinator, other);
    await runs.expectUndisturbed(place);
    frozen.child.kill('SIGKILL');
    await frozen.ended;
  });
});
