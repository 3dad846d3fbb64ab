/** Compressed gradients through memory, with a worker that is killed while it sends, against one worker on the socket. */
import { join } from 'node:path';
import { mkdirSync, readdirSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { scratchFolder, startCoordinator, startWorker, urlOf } from '../e2e/processes.js';
import { BarsRuns, expectDone } from './bars-run.js';

const scratch = scratchFolder();
afterAll(() => scratch.remove());

describe.each(['bf16', 'int8'])('bulk bytes through memory, compressed to %s', (compression) => {
  it('come to the bits of one worker on the socket, though a worker is killed in mid-upload', async () => {
    const folder = join(scratch.path, compression);
    const memory = join(folder, 'memory');
    mkdirSync(memory, { recursive: true });
    // A contribution of two or three chunks.
    const runs = new BarsRuns(folder, 'auto', `compression: ${compression}\n`, 16_384);
    await runs.runUndisturbed();
    const place = runs.placeOf('killed');
    const flags = ['--memory-folder', memory];
    const coordinator = startCoordinator(place, { expect: 2, flags });
    const url = await urlOf(coordinator);
    const fault = { STILLHOUSE_FAULT: 'first-chunk@9' };
    const victim = startWorker(place, 'victim', url, fault, undefined, flags);
    const other = startWorker(place, 'other', url, {}, undefined, flags);
    const { code, stderr } = await victim.ended;
    expect(stderr).toContain('fault: first-chunk');
    expect(code).toBeNull();
    await expectDone(coordinator, other);
    expect(coordinator.stderr).toContain(', plane memory');
    expect(readdirSync(memory).flatMap((one) => readdirSync(join(memory, one)))).toEqual([]);
    await runs.expectUndisturbed(place);
  });
});
