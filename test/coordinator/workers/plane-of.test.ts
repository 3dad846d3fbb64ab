import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { planeOf, type ChosenPlane } from '../../../coordinator/workers/plane-of.js';
import { SendQueue } from '../../../coordinator/exchange/send-queue.js';
import type { Channel } from '../../../coordinator/exchange/channel.js';
import { MemoryFile } from '../../../shared/exchange/planes/memory-file.js';
import { socketPlane } from '../../../shared/exchange/planes/socket.js';
import { limits } from '../../../shared/protocol/messages.js';
import { checksumOf, pieceHashes } from '../../../shared/replica/piece-hash.js';
import { systemTimers } from '../../../shared/timers.js';

let base = '';
let said: string[] = [];
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'stillhouse-memory-'));
  said = [];
});
afterEach(() => rmSync(base, { recursive: true }));

/** One that takes everything at once. */
const channel: Channel = {
  ...{ address: '', origin: '', isOpen: true, receivedBytes: 0, sentBytes: 0 },
  listen: () => undefined,
  send: (_frame, whenSent) => whenSent(),
  close: () => undefined,
  terminate: () => undefined,
};

function chosenFor(memory: string | undefined, memoryFolder: string | null): ChosenPlane & { queue: SendQueue } {
  const queue = new SendQueue(channel, systemTimers);
  const chosen = planeOf(
    { memory },
    { queue },
    {
      worker: 'w1 (alpha)',
      memoryFolder,
      envelope: { run: 'r', generation: 1 },
      broadcast: { released: 3 },
      reporter: { say: (level, text) => void said.push(`${level}: ${text}`) },
    },
  );
  return { ...chosen, queue };
}

describe("the plane of a worker's connection", () => {
  it('is memory where its file is found, whose nonce the welcome tells', () => {
    const { file, name } = MemoryFile.make(base);
    const { plane, welcome } = chosenFor(name, base);
    expect([plane.name, welcome]).toEqual(['memory', { memory: file.nonce }]);
    expect(said).toEqual([]);
    plane.close();
    file.close();
  });

  it('counts what the worker has not read there as queued', async () => {
    const { file, name } = MemoryFile.make(base);
    const { plane, queue } = chosenFor(name, base);
    const bytes = new Uint8Array(limits.placeBytes);
    const header = { offset: 0, total: bytes.length, checksum: checksumOf(pieceHashes(bytes)) };
    for (let i = 0; i < limits.filePlaces; i++) plane.send(header, bytes);
    expect(queue.queuedBytes).toBe(limits.filePlaces * limits.placeBytes);
    let hasRoom = false;
    const room = queue.room().then(() => {
      hasRoom = true;
    });
    await new Promise(setImmediate);
    expect(hasRoom).toBe(false);
    plane.taken(1);
    await room;
    plane.taken(limits.filePlaces - 1);
    expect([queue.queuedBytes, queue.stalledMs()]).toEqual([0, 0]);
    plane.close();
    file.close();
  });

  it('is the socket where no file is offered, or none is to be shared', () => {
    const { file, name } = MemoryFile.make(base);
    expect(chosenFor(undefined, base)).toMatchObject({ plane: socketPlane, welcome: {} });
    expect(chosenFor(name, null)).toMatchObject({ plane: socketPlane, welcome: {} });
    expect(said).toEqual([]);
    expect(readdirSync(join(base, readdirSync(base)[0] ?? ''))).toEqual([name]);
    file.close();
  });

  it('is the socket where the file is not here, and a line says so', () => {
    expect(chosenFor('0'.repeat(32), base)).toMatchObject({ plane: socketPlane, welcome: {} });
    expect(said).toEqual([
      expect.stringMatching(
        /^info: w1 \(alpha\): bulk bytes travel through the socket: its file in memory cannot be shared: .*ENOENT/,
      ),
    ]);
  });
});
