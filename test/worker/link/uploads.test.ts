import { beforeEach, describe, expect, it } from 'vitest';
import { limits, type UpMessage } from '../../../shared/protocol/messages.js';
import { planReplica } from '../../../shared/replica/plan.js';
import { Replica } from '../../../shared/replica/replica.js';
import type { Connection } from '../../../worker/link/connection.js';
import { Uploads } from '../../../worker/link/uploads.js';
import { recipeOf, specOf } from '../fakes.js';

/** A socket that sends when it is told to. */
class SlowConnection implements Connection {
  readonly sent: { message: UpMessage; payload: Uint8Array; done: () => void }[] = [];
  readonly closed = new Promise<never>(() => undefined);
  bufferedBytes = 0;

  send(message: UpMessage, payload = new Uint8Array(0), whenSent: () => void = () => undefined): void {
    this.bufferedBytes += payload.length;
    const done = (): void => {
      this.bufferedBytes -= payload.length;
      whenSent();
    };
    this.sent.push({ message, payload, done });
  }
  receive(): void {}
  pause(): void {}
  resume(): void {}
  close(): void {}
  terminate(): void {}
}

const envelope = { run: 'r', generation: 1 };
let free: number[] = [];
let connection = new SlowConnection();

/** Contributions of 4 MiB and a bit, in 3 slots. */
function uploadsOf(size: number): { uploads: Uploads; replica: Replica } {
  const replica = new Replica(planReplica(specOf(size), recipeOf().optimizer), { slots: 3 });
  for (const slot of [0, 1, 2]) replica.slotBytes(slot).forEach((_, i, bytes) => (bytes[i] = (i * 31 + slot) & 255));
  return { replica, uploads: new Uploads({ replica, giveBack: (slot) => void free.push(slot) }) };
}

beforeEach(() => {
  free = [];
  connection = new SlowConnection();
});

describe('uploads', () => {
  it('queue two pieces at most, and all of them in the end', () => {
    const { uploads, replica } = uploadsOf(1_100_000);
    const bytes = Uint8Array.from(uploads.keep(1, 0, 0).bytes);
    uploads.send(1, connection, envelope);
    expect(connection.sent).toHaveLength(2);
    for (let i = 0; i < connection.sent.length; i++) connection.sent[i]?.done();
    expect(connection.sent.map(({ message }) => (message.type === 'chunk' ? message.offset : -1))).toEqual(
      [0, 1, 2, 3, 4].map((i) => i * limits.pieceBytes),
    );
    expect(Buffer.concat(connection.sent.map(({ payload }) => payload)).equals(bytes)).toBe(true);
    expect(free).toEqual([]);
    expect(replica.slotBytes(0).length).toBe(bytes.length);
  });

  it('go on where another one has filled the connection before their first chunk', () => {
    const { uploads } = uploadsOf(1_100_000);
    for (const lease of [1, 2]) uploads.keep(lease, 0, lease - 1);
    for (const lease of [1, 2]) uploads.send(lease, connection, envelope);
    expect(connection.sent.map(({ message }) => message.type === 'chunk' && message.lease)).toEqual([1, 1]);
    for (let i = 0; i < connection.sent.length; i++) connection.sent[i]?.done();
    const leases = connection.sent.map(({ message }) => (message.type === 'chunk' ? message.lease : 0));
    expect(leases.filter((lease) => lease === 1)).toHaveLength(5);
    expect(leases.filter((lease) => lease === 2)).toHaveLength(5);
  });

  it("give a small contribution's slot back at once", () => {
    const { uploads, replica } = uploadsOf(100);
    const before = Uint8Array.from(replica.slotBytes(0));
    const { bytes } = uploads.keep(1, 0, 0);
    expect(free).toEqual([0]);
    replica.clearSlot(0);
    expect(Buffer.from(bytes).equals(before)).toBe(true);
  });

  it('move to the heap when slots are wanted, but never under the socket', () => {
    const { uploads, replica } = uploadsOf(1_100_000);
    const expected = Uint8Array.from(uploads.keep(1, 0, 0).bytes);
    uploads.keep(2, 0, 1);
    uploads.send(1, connection, envelope);
    uploads.freeSlots();
    expect(free).toEqual([1]);
    const [first, second] = connection.sent.map(({ payload }) => Uint8Array.from(payload));
    connection.sent[0]?.done();
    expect(free).toEqual([1]);
    connection.sent[1]?.done();
    // The third was queued when the first had gone: the slot is under the socket still.
    expect(free).toEqual([1]);
    for (let i = 2; i < connection.sent.length; i++) connection.sent[i]?.done();
    expect(free).toEqual([1, 0]);
    replica.clearSlot(0);
    const sent = Buffer.concat(
      [first ?? [], second ?? [], ...connection.sent.slice(2).map(({ payload }) => payload)].map((part) =>
        Uint8Array.from(part),
      ),
    );
    expect(sent.length).toBe(expected.length);
  });

  it('go on from the heap when they were moved between two chunks', () => {
    const { uploads, replica } = uploadsOf(1_100_000);
    const expected = Uint8Array.from(uploads.keep(1, 0, 0).bytes);
    connection.bufferedBytes = limits.pieceBytes + 1;
    uploads.send(1, connection, envelope);
    const first = Uint8Array.from(connection.sent[0]?.payload ?? []);
    uploads.freeSlots();
    connection.sent[0]?.done();
    expect(free).toEqual([0]);
    replica.clearSlot(0);
    for (let i = 1; i < connection.sent.length; i++) connection.sent[i]?.done();
    expect(Buffer.concat([first, ...connection.sent.slice(1).map(({ payload }) => payload)]).equals(expected)).toBe(
      true,
    );
  });

  it("give a dropped contribution's slot back once the socket is done with it", () => {
    const { uploads } = uploadsOf(1_100_000);
    uploads.keep(1, 0, 0);
    uploads.send(1, connection, envelope);
    uploads.drop(1);
    expect(free).toEqual([]);
    connection.sent[0]?.done();
    connection.sent[1]?.done();
    expect(free).toEqual([0]);
    expect(connection.sent).toHaveLength(2);
  });

  it('are dropped through a step, and all at once when the connection has closed', () => {
    const { uploads } = uploadsOf(1_100_000);
    uploads.keep(1, 4, 0);
    uploads.keep(2, 5, 1);
    uploads.dropThrough(4);
    expect(free).toEqual([0]);
    uploads.send(2, connection, envelope);
    uploads.dropAll();
    expect(free).toEqual([0, 1]);
    connection.sent.forEach(({ done }) => done());
    expect(free).toEqual([0, 1]);
    uploads.send(2, connection, envelope);
    expect(connection.sent).toHaveLength(2);
  });
});
