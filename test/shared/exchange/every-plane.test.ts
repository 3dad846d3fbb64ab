/** What every plane keeps to: one payload after the other, from a sender to a receiver that never trusts it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { split } from '../../../shared/replica/pieces.js';
import { planeNames, type PlaneName } from '../../../shared/exchange/planes/list.js';
import { MemoryFile } from '../../../shared/exchange/planes/memory-file.js';
import { MemoryPlane } from '../../../shared/exchange/planes/memory.js';
import { socketPlane } from '../../../shared/exchange/planes/socket.js';
import type { ChunkHeader, Plane, PlaneReceiver } from '../../../shared/exchange/plane.js';
import { ProtocolError } from '../../../shared/errors.js';
import { mustAt } from '../../../shared/must.js';
import { closeCodes, limits } from '../../../shared/protocol/messages.js';
import { checksumOf, hashOf } from '../../../shared/replica/piece-hash.js';

/** What one control message says and carries. */
type Sent = readonly [header: ChunkHeader, payload: Uint8Array];

const size = limits.pieceBytes;

/** A plane's two ends, whose acknowledgements arrive at once. */
interface Ends {
  readonly sender: Plane;
  readonly receiver: Plane;
}

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-planes-'));
const opened: Plane[] = [];
afterAll(() => {
  for (const plane of opened) plane.close();
  rmSync(folder, { recursive: true });
});

const openEnds: Readonly<Record<PlaneName, () => Ends>> = {
  socket: () => ({ sender: socketPlane, receiver: socketPlane }),
  memory: () => {
    const { file, name } = MemoryFile.make(folder);
    const onFault = (reason: string): void => {
      throw new Error(reason);
    };
    const sender: Plane = new MemoryPlane({ file, sends: 'up', acknowledge: (n) => receiver.taken(n), onFault });
    const receiver: Plane = new MemoryPlane({
      file: MemoryFile.open(folder, name),
      sends: 'down',
      acknowledge: (n) => sender.taken(n),
      onFault,
    });
    opened.push(sender, receiver);
    return { sender, receiver };
  },
};

function bytesOf(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8) + 3) & 0xff);
}

/** Sends the bytes [offset, offset + length) of a payload. The header may say something else than what is true. */
function sendPart(
  plane: Plane,
  whole: Uint8Array,
  [offset, length]: readonly [number, number],
  lie: Partial<ChunkHeader> = {},
): Sent {
  const bytes = whole.subarray(offset, offset + length);
  const header = { offset, total: whole.length, checksum: checksumOf([hashOf(bytes)]), ...lie };
  const sent = plane.send(header, bytes);
  if (sent === null) throw new Error(`a chunk of ${length} bytes was not taken`);
  return [sent.header, sent.payload];
}

function sendAll(plane: Plane, whole: Uint8Array, chunkBytes = size): Sent[] {
  return split(whole.length, chunkBytes).map(({ offset, length }) => sendPart(plane, whole, [offset, length]));
}

/** Hands a chunk over, as whoever hears its control message does. */
function take(plane: Plane, receiver: PlaneReceiver, [header, payload]: Sent): boolean {
  const isDone = receiver.accept(header, payload);
  plane.handled(header);
  return isDone;
}

describe.each(planeNames)('the plane "%s"', (name) => {
  const { sender, receiver: plane } = openEnds[name]();

  it('has its name at both ends', () => {
    expect([sender.name, plane.name]).toEqual([name, name]);
  });

  it.each([0, 1, size - 1, size, size + 1, 3 * size + 5])('brings %i bytes once and in order', (total) => {
    const whole = bytesOf(total);
    const target = new Uint8Array(total);
    const receiver = plane.receive(target, hashOf);
    const ends = sendAll(sender, whole).map(([header, payload]) => {
      expect(payload.length).toBeLessThanOrEqual(size);
      return take(plane, receiver, [header, payload]);
    });
    expect(ends).toEqual(ends.map((_, i) => i === ends.length - 1));
    expect([receiver.received, receiver.isDone]).toEqual([total, true]);
    expect(Buffer.compare(target, whole)).toBe(0);
  });

  it('brings payloads of any length in chunks of any length', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: 500 }), (total, cap) => {
        const whole = bytesOf(total);
        const target = new Uint8Array(total);
        const receiver = plane.receive(target, hashOf);
        const ends = sendAll(sender, whole, cap).map((sent) => take(plane, receiver, sent));
        expect(ends).toEqual(ends.map((_, i) => i === ends.length - 1));
        expect(target).toEqual(whole);
      }),
    );
  });

  it('brings several payloads whose chunks come in turn', () => {
    const wholes = [bytesOf(70), bytesOf(100)];
    const targets = wholes.map(({ length }) => new Uint8Array(length));
    const receivers = targets.map((target) => plane.receive(target, hashOf));
    for (const offset of [0, 35]) {
      for (const [i, whole] of wholes.entries()) {
        const sent = sendPart(sender, whole, [offset, offset === 0 ? 35 : whole.length - 35]);
        take(plane, mustAt(receivers, i, 'receiver'), sent);
      }
    }
    expect(receivers.map(({ isDone }) => isDone)).toEqual([true, true]);
    expect(targets).toEqual(wholes);
  });

  it('brings bytes from shared memory into a part of shared memory, and touches nothing round it', () => {
    const source = new Uint8Array(new SharedArrayBuffer(40));
    source.set(bytesOf(40));
    const memory = new Uint8Array(new SharedArrayBuffer(60)).fill(0xee);
    const receiver = plane.receive(memory.subarray(10, 50), hashOf);
    for (const sent of sendAll(sender, source, 16)) take(plane, receiver, sent);
    expect(receiver.isDone).toBe(true);
    expect([...memory]).toEqual([...Array<number>(10).fill(0xee), ...bytesOf(40), ...Array<number>(10).fill(0xee)]);
  });

  it("takes the hash where the bytes lie, with the caller's own function", () => {
    const target = new Uint8Array(20);
    const asked: Uint8Array[] = [];
    const receiver = plane.receive(target, (bytes) => {
      asked.push(bytes);
      return hashOf(bytes);
    });
    for (const sent of sendAll(sender, bytesOf(20), 8)) take(plane, receiver, sent);
    expect(asked.map(({ buffer, byteOffset, length }) => [buffer === target.buffer, byteOffset, length])).toEqual([
      [true, 0, 8],
      [true, 8, 8],
      [true, 16, 4],
    ]);
  });

  const whole = bytesOf(100);
  const longer = bytesOf(101);
  const refused: readonly [name: string, send: () => Sent, error: string, isWritten?: boolean][] = [
    ['a chunk after a missing one', () => sendPart(sender, whole, [20, 10]), 'chunk at 20; the next byte is 10'],
    ['a repeated chunk', () => sendPart(sender, whole, [0, 10]), 'chunk at 0; the next byte is 10'],
    ['a chunk that overlaps the last', () => sendPart(sender, whole, [5, 10]), 'chunk at 5; the next byte is 10'],
    [
      'a chunk of a longer payload',
      () => sendPart(sender, longer, [10, 10]),
      'chunk of a payload of 101 bytes; 100 were announced',
    ],
    [
      'a chunk that is too long',
      () => sendPart(sender, longer, [10, 91], { total: 100 }),
      'chunk of 91 bytes at 10; 90 are missing',
    ],
    [
      'an empty chunk',
      () => sendPart(sender, whole, [10, 0], { checksum: 0 }),
      'chunk of 0 bytes at 10; 90 are missing',
    ],
    [
      'a damaged chunk',
      () => {
        const { checksum } = sendPart(sender, whole, [10, 10])[0];
        const damaged = whole.slice();
        damaged[14] = (damaged[14] ?? 0) ^ 1;
        return sendPart(sender, damaged, [10, 10], { checksum });
      },
      'chunk at 10: its checksum differs',
      true,
    ],
    [
      'a chunk that was cut short',
      () => sendPart(sender, whole, [10, 9], { checksum: checksumOf([hashOf(whole.subarray(10, 20))]) }),
      'chunk at 10: its checksum differs',
      true,
    ],
  ];
  it.each(refused)(
    'refuses %s, keeps what was complete, and takes the right chunk next',
    (_, send, error, isWritten) => {
      const target = new Uint8Array(100);
      const receiver = plane.receive(target, hashOf);
      take(plane, receiver, sendPart(sender, whole, [0, 10]));
      const [header, payload] = send();
      expect(() => receiver.accept(header, payload)).toThrow(new ProtocolError(error, closeCodes.badFrame));
      plane.handled(header);
      // A checksum can only differ where the bytes have been written; everything else is refused before.
      if (isWritten !== true) expect(target.subarray(10)).toEqual(new Uint8Array(90));
      expect([receiver.received, receiver.isDone]).toEqual([10, false]);
      expect(target.subarray(0, 10)).toEqual(whole.subarray(0, 10));
      expect(take(plane, receiver, sendPart(sender, whole, [10, 90]))).toBe(true);
      expect(target).toEqual(whole);
    },
  );

  it('refuses anything after the last byte', () => {
    for (const total of [0, 100]) {
      const receiver = plane.receive(new Uint8Array(total), hashOf);
      for (const sent of sendAll(sender, bytesOf(total))) take(plane, receiver, sent);
      expect(receiver.isDone).toBe(true);
      for (const offset of [0, total]) {
        const again = sendPart(sender, bytesOf(total), [offset, total]);
        expect(() => receiver.accept(...again)).toThrow(ProtocolError);
        plane.handled(again[0]);
      }
    }
  });
});
