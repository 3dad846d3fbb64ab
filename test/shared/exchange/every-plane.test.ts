/** What every plane keeps to: one payload after the other, from a sender to a receiver that never trusts it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { split } from '../../../shared/exchange/chunks.js';
import { planes } from '../../../shared/exchange/planes/list.js';
import type { ChunkHeader, Plane } from '../../../shared/exchange/plane.js';
import { ProtocolError } from '../../../shared/errors.js';
import { closeCodes, limits } from '../../../shared/protocol/messages.js';
import { checksumOf } from '../../../shared/replica/checksum.js';

/** What one control message says and carries. */
type Sent = readonly [header: ChunkHeader, payload: Uint8Array];

const size = limits.chunkBytes;

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
  const header = { offset, total: whole.length, checksum: checksumOf(bytes), ...lie };
  return [header, plane.send(header, bytes)];
}

function sendAll(plane: Plane, whole: Uint8Array, chunkBytes = size): Sent[] {
  return split(whole.length, chunkBytes).map(({ offset, length }) => sendPart(plane, whole, [offset, length]));
}

it('every plane has a name of its own', () => {
  expect(new Set(planes.map(({ name }) => name)).size).toBe(planes.length);
});

describe.each(planes)('the plane "$name"', (plane) => {
  it.each([0, 1, size - 1, size, size + 1, 3 * size + 5])('brings %i bytes once and in order', (total) => {
    const whole = bytesOf(total);
    const target = new Uint8Array(total);
    const receiver = plane.receive(target, checksumOf);
    const ends = sendAll(plane, whole).map(([header, payload]) => {
      expect(payload.length).toBeLessThanOrEqual(size);
      return receiver.accept(header, payload);
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
        const receiver = plane.receive(target, checksumOf);
        const ends = sendAll(plane, whole, cap).map((sent) => receiver.accept(...sent));
        expect(ends).toEqual(ends.map((_, i) => i === ends.length - 1));
        expect(target).toEqual(whole);
      }),
    );
  });

  it('brings several payloads whose chunks come in turn', () => {
    const wholes = [bytesOf(70), bytesOf(100)];
    const targets = wholes.map(({ length }) => new Uint8Array(length));
    const receivers = targets.map((target) => plane.receive(target, checksumOf));
    for (const offset of [0, 35]) {
      for (const [i, whole] of wholes.entries()) {
        receivers[i]?.accept(...sendPart(plane, whole, [offset, offset === 0 ? 35 : whole.length - 35]));
      }
    }
    expect(receivers.map(({ isDone }) => isDone)).toEqual([true, true]);
    expect(targets).toEqual(wholes);
  });

  it('brings bytes from shared memory into a part of shared memory, and touches nothing round it', () => {
    const source = new Uint8Array(new SharedArrayBuffer(40));
    source.set(bytesOf(40));
    const memory = new Uint8Array(new SharedArrayBuffer(60)).fill(0xee);
    const receiver = plane.receive(memory.subarray(10, 50), checksumOf);
    for (const sent of sendAll(plane, source, 16)) receiver.accept(...sent);
    expect(receiver.isDone).toBe(true);
    expect([...memory]).toEqual([...Array<number>(10).fill(0xee), ...bytesOf(40), ...Array<number>(10).fill(0xee)]);
  });

  it("takes the checksum where the bytes lie, with the caller's own function", () => {
    const target = new Uint8Array(20);
    const asked: Uint8Array[] = [];
    const receiver = plane.receive(target, (bytes) => {
      asked.push(bytes);
      return checksumOf(bytes);
    });
    for (const sent of sendAll(plane, bytesOf(20), 8)) receiver.accept(...sent);
    expect(asked.map(({ buffer, byteOffset, length }) => [buffer === target.buffer, byteOffset, length])).toEqual([
      [true, 0, 8],
      [true, 8, 8],
      [true, 16, 4],
    ]);
  });

  const whole = bytesOf(100);
  const longer = bytesOf(101);
  const refused: readonly [name: string, send: () => Sent, error: string, isWritten?: boolean][] = [
    ['a chunk after a missing one', () => sendPart(plane, whole, [20, 10]), 'chunk at 20; the next byte is 10'],
    ['a repeated chunk', () => sendPart(plane, whole, [0, 10]), 'chunk at 0; the next byte is 10'],
    ['a chunk that overlaps the last', () => sendPart(plane, whole, [5, 10]), 'chunk at 5; the next byte is 10'],
    [
      'a chunk of a longer payload',
      () => sendPart(plane, longer, [10, 10]),
      'chunk of a payload of 101 bytes; 100 were announced',
    ],
    [
      'a chunk that is too long',
      () => sendPart(plane, longer, [10, 91], { total: 100 }),
      'chunk of 91 bytes at 10; 90 are missing',
    ],
    [
      'an empty chunk',
      () => sendPart(plane, whole, [10, 0], { checksum: 0 }),
      'chunk of 0 bytes at 10; 90 are missing',
    ],
    [
      'a damaged chunk',
      () => {
        const { checksum } = sendPart(plane, whole, [10, 10])[0];
        const damaged = whole.slice();
        damaged[14] = (damaged[14] ?? 0) ^ 1;
        return sendPart(plane, damaged, [10, 10], { checksum });
      },
      'chunk at 10: its checksum differs',
      true,
    ],
    [
      'a chunk that was cut short',
      () => sendPart(plane, whole, [10, 9], { checksum: checksumOf(whole.subarray(10, 20)) }),
      'chunk at 10: its checksum differs',
      true,
    ],
  ];
  it.each(refused)(
    'refuses %s, keeps what was complete, and takes the right chunk next',
    (_, send, error, isWritten) => {
      const target = new Uint8Array(100);
      const receiver = plane.receive(target, checksumOf);
      receiver.accept(...sendPart(plane, whole, [0, 10]));
      const [header, payload] = send();
      expect(() => receiver.accept(header, payload)).toThrow(new ProtocolError(error, closeCodes.badFrame));
      // A checksum can only differ where the bytes have been written; everything else is refused before.
      if (isWritten !== true) expect(target.subarray(10)).toEqual(new Uint8Array(90));
      expect([receiver.received, receiver.isDone]).toEqual([10, false]);
      expect(target.subarray(0, 10)).toEqual(whole.subarray(0, 10));
      expect(receiver.accept(...sendPart(plane, whole, [10, 90]))).toBe(true);
      expect(target).toEqual(whole);
    },
  );

  it('refuses anything after the last byte', () => {
    for (const total of [0, 100]) {
      const receiver = plane.receive(new Uint8Array(total), checksumOf);
      for (const sent of sendAll(plane, bytesOf(total))) receiver.accept(...sent);
      expect(receiver.isDone).toBe(true);
      for (const offset of [0, total]) {
        const again = sendPart(plane, bytesOf(total), [offset, total]);
        expect(() => receiver.accept(...again)).toThrow(ProtocolError);
      }
    }
  });
});
