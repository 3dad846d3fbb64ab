/**
 * Peers with the right token that mean no good: whatever they send, or do not read, the coordinator's memory stays
 * within a bound, and the run beside them ends with the bits of an undisturbed one.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attacks, connect, frameOf, hello, peakBytes, peers } from '../../bench/flood-attacks.js';
import { scratchFolder, startCoordinator, startWorker, token, urlOf } from '../e2e/processes.js';
import { BarsRuns, expectDone } from './bars-run.js';

const scratch = scratchFolder();
const runs = new BarsRuns(scratch.path);
beforeAll(() => runs.runUndisturbed());
afterAll(() => scratch.remove());

/** Beyond what the same run takes alone. */
const allowedBytes = 192 * 1024 * 1024;

describe(`${peers} peers that`, () => {
  it.each(attacks)('%s cost a bounded amount of memory and no bit', async (name, attack, codes) => {
    const place = runs.placeOf(`flood-${name}`);
    const coordinator = startCoordinator(place);
    const url = await urlOf(coordinator);
    const before = peakBytes(coordinator);
    const ended = await Promise.all(Array.from({ length: peers }, async () => attack(await connect(url, token))));
    expect(ended.filter((code) => !codes.includes(code))).toEqual([]);
    expect(peakBytes(coordinator) - before).toBeLessThan(allowedBytes);
    await expectDone(coordinator, startWorker(place, 'w0', url));
    await runs.expectUndisturbed(place);
  });

  it('say hello and read nothing of the run cost a bounded amount of memory and no bit', async () => {
    const place = runs.placeOf('flood-readers');
    const coordinator = startCoordinator(place);
    const url = await urlOf(coordinator);
    const worker = startWorker(place, 'w0', url);
    await coordinator.says(/is ready/);
    const before = peakBytes(coordinator);
    const readers = await Promise.all(Array.from({ length: peers }, () => connect(url, token)));
    for (const { socket } of readers) {
      socket.send(frameOf(hello), () => undefined);
      socket.pause();
    }
    let most = before;
    const watch = setInterval(() => (most = Math.max(most, peakBytes(coordinator))), 5);
    void coordinator.ended.then(() => clearInterval(watch));
    await expectDone(coordinator, worker);
    expect(most - before).toBeLessThan(allowedBytes);
    for (const { socket } of readers) socket.terminate();
    await runs.expectUndisturbed(place);
  });
});
