/** What the plane through memory keeps to beyond what every plane does: whom it shares with, its bounds, its faults. */
import {
  chmodSync,
  closeSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  linkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryFile, NotShared } from '../../../shared/exchange/planes/memory-file.js';
import { MemoryPlane } from '../../../shared/exchange/planes/memory.js';
import { socketPlane } from '../../../shared/exchange/planes/socket.js';
import type { ChunkHeader, SentChunk } from '../../../shared/exchange/plane.js';
import { ProtocolError } from '../../../shared/errors.js';
import { limits } from '../../../shared/protocol/messages.js';
import { mustAt } from '../../../shared/must.js';
import { checksumOf, digestOf, hashOf, pieceHashes } from '../../../shared/replica/piece-hash.js';

let base = '';
let files: MemoryFile[] = [];

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'stillhouse-memory-'));
  files = [];
});
afterEach(() => {
  for (const file of files) file.close();
  rmSync(base, { recursive: true });
});

const own = (): string => join(base, `stillhouse-${process.getuid?.()}`);

function make(): { readonly file: MemoryFile; readonly name: string; readonly forget: () => void } {
  const made = MemoryFile.make(base);
  files.push(made.file);
  return made;
}

function open(name: string): MemoryFile {
  const file = MemoryFile.open(base, name);
  files.push(file);
  return file;
}

describe('a file in memory', () => {
  it('is of its user alone, in a folder of that user, under a name that nobody guesses', () => {
    const [{ name }, { name: other }] = [make(), make()];
    expect(lstatSync(own()).mode & 0o777).toBe(0o700);
    expect(lstatSync(join(own(), name)).mode & 0o777).toBe(0o600);
    expect(name).toMatch(/^[0-9a-f]{32}$/);
    expect(other).not.toBe(name);
  });

  it('has no name any more once the other end has opened it, and the nonce of its maker', () => {
    const { file, name, forget } = make();
    expect(open(name).nonce).toBe(file.nonce);
    expect(readdirSync(own())).toEqual([]);
    forget();
    expect(() => open(name)).toThrow(NotShared);
  });

  it('brings bytes both ways, each direction in places of its own', () => {
    const { file, name } = make();
    const far = open(name);
    file.write('up', 1, Uint8Array.of(0, 1, 2, 3));
    far.write('down', 1, Uint8Array.of(4, 5, 6));
    const [up, down] = [new Uint8Array(3), new Uint8Array(3)];
    expect([far.read('up', 1, { offset: 1, target: up }), file.read('down', 1, { offset: 0, target: down })]).toEqual([
      true,
      true,
    ]);
    expect([[...up], [...down]]).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
  });

  const harms: readonly [string, (path: string) => void][] = [
    ['that others may read', (path) => chmodSync(path, 0o644)],
    ['of another length', (path) => truncateSync(path, 4096)],
    ['with a second name', (path) => linkSync(path, join(base, 'second'))],
    [
      'behind a link',
      (path) => {
        renameSync(path, join(base, 'elsewhere'));
        symlinkSync(join(base, 'elsewhere'), path);
      },
    ],
    [
      'that is a folder',
      (path) => {
        rmSync(path);
        mkdirSync(path);
      },
    ],
  ];
  it.each(harms)('%s is not opened', (_, harm) => {
    const { name } = make();
    harm(join(own(), name));
    expect(() => open(name)).toThrow(NotShared);
  });

  it.each(['', '../x', 'a'.repeat(31), `${'a'.repeat(31)}/`, 'A'.repeat(32), `${'a'.repeat(32)}\n`])(
    'is never looked for under the name %j',
    (name) => {
      make();
      expect(() => open(name)).toThrow('the name is none of such a file');
    },
  );

  it('is not made in a folder that others reach, that is a link, or below one that is not there', () => {
    make();
    chmodSync(own(), 0o755);
    expect(() => make()).toThrow('is not a folder of this user alone');
    rmSync(own(), { recursive: true });
    mkdirSync(join(base, 'other'), 0o700);
    symlinkSync(join(base, 'other'), own());
    expect(() => make()).toThrow('is not a folder of this user alone');
    expect(() => MemoryFile.make(join(base, 'none'))).toThrow(NotShared);
  });

  it('that a killed process has left is swept away by the next one, and nothing else is', () => {
    const { name: old } = make();
    const { name: young } = make();
    writeFileSync(join(own(), 'notes'), '');
    const past = new Date(Date.now() - 61_000);
    for (const one of [old, 'notes']) utimesSync(join(own(), one), past, past);
    const { name } = make();
    expect(readdirSync(own()).sort()).toEqual([young, name, 'notes'].sort());
  });

  it('is closed once, whoever closes it again', () => {
    const { file } = make();
    file.close();
    const next = openSync(base, 'r');
    file.close();
    expect(fstatSync(next).isDirectory()).toBe(true);
    closeSync(next);
  });
});

interface Ends {
  readonly near: MemoryPlane;
  readonly far: MemoryPlane;
  readonly file: MemoryFile;
  /** Chunks that the far end has told the near one that it has read. */
  readonly told: number[];
  readonly unread: number[];
  readonly faults: string[];
}

function ends(): Ends {
  const { file, name } = make();
  const [told, unread, faults]: [number[], number[], string[]] = [[], [], []];
  const onFault = (reason: string): void => void faults.push(reason);
  const near = new MemoryPlane({
    file,
    sends: 'up',
    acknowledge: () => undefined,
    onUnread: (bytes) => unread.push(bytes),
    onFault,
  });
  const far = new MemoryPlane({ file: open(name), sends: 'down', acknowledge: (n) => told.push(n), onFault });
  return { near, far, file, told, unread, faults };
}

const bytes = Uint8Array.from({ length: 100 }, (_, i) => i);
const header: ChunkHeader = { offset: 0, total: 100, checksum: checksumOf([hashOf(bytes)]) };

/** Sends the one chunk of these tests. */
function send(plane: MemoryPlane, of = bytes): SentChunk<ChunkHeader> {
  const sent = plane.send({ offset: 0, total: of.length, checksum: checksumOf(pieceHashes(of)) }, of);
  if (sent === null) throw new Error('the chunk was not taken');
  return sent;
}

describe('the plane through memory', () => {
  it('puts bytes into the file as long as there is a place, and sends the others inline', () => {
    const { near, unread } = ends();
    const sent = Array.from({ length: limits.filePlaces + 1 }, () => send(near));
    expect(sent.map(({ header: { placed }, payload }) => [placed?.place, payload.length])).toEqual([
      ...Array.from({ length: limits.filePlaces }, (_, i) => [i, 0]),
      [undefined, 100],
    ]);
    expect(near.isFull).toBe(true);
    near.taken(1);
    expect(near.isFull).toBe(false);
    expect(send(near).header.placed).toEqual({ place: 0, bytes: 100 });
    expect(unread).toEqual([...Array<number>(limits.filePlaces).fill(100), -100, 100]);
    expect(near.bytes).toEqual({ received: 0, sent: 100 * (limits.filePlaces + 1) });
  });

  it('tells the other end what it has read, of use or not, before the places run out', () => {
    const { near, far, told } = ends();
    for (let i = 0; i < limits.filePlaces; i++) far.handled(send(near).header);
    far.handled(header);
    expect(told.reduce((sum, chunks) => sum + chunks, 0)).toBe(limits.filePlaces);
  });

  it('takes a chunk of several pieces, as long as there is a place for it, and else a piece at a time', () => {
    const { near, far, faults } = ends();
    const large = Uint8Array.from({ length: limits.placeBytes }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
    const target = new Uint8Array(large.length);
    expect(near.chunkBytes).toBe(limits.placeBytes);
    const sent = Array.from({ length: limits.filePlaces }, () => send(near, large));
    const receiver = far.receive(target, hashOf);
    expect(receiver.accept(mustAt(sent, 0, 'chunk').header, new Uint8Array(0))).toBe(true);
    expect([Buffer.compare(target, large), receiver.digest]).toEqual([0, digestOf(pieceHashes(large))]);
    expect(near.chunkBytes).toBe(limits.pieceBytes);
    expect(near.send({ ...header, total: large.length }, large)).toBeNull();
    expect(faults).toEqual([]);
  });

  it('gives a large chunk back that its file does not take, and goes on with pieces', () => {
    const { near, file, faults } = ends();
    file.write = () => {
      throw new Error('ENOSPC: no space left on device');
    };
    const large = new Uint8Array(near.chunkBytes);
    expect(near.send({ ...header, total: large.length }, large)).toBeNull();
    expect([near.chunkBytes, near.isFull, faults.length]).toEqual([limits.pieceBytes, false, 1]);
    const piece = large.subarray(0, near.chunkBytes);
    expect(send(near, piece).payload).toBe(piece);
  });

  it('finds out a peer that has read more than there is', () => {
    const { near } = ends();
    send(near);
    expect(() => near.taken(2)).toThrow(ProtocolError);
    expect(() => socketPlane.taken(1)).toThrow(ProtocolError);
  });

  it('takes no byte that somebody has written into the file since', () => {
    const { near, far, file } = ends();
    const sent = send(near);
    file.write('up', 0, Uint8Array.of(9));
    const target = new Uint8Array(100);
    const receiver = far.receive(target, hashOf);
    expect(() => receiver.accept(sent.header, sent.payload)).toThrow('its checksum differs');
    expect(receiver.received).toBe(0);
  });

  it('keeps what it has copied, whatever is written into the file afterwards', () => {
    const { near, far, file } = ends();
    const sent = send(near);
    const target = new Uint8Array(100);
    expect(far.receive(target, hashOf).accept(sent.header, sent.payload)).toBe(true);
    file.write('up', 0, new Uint8Array(100));
    expect(target).toEqual(bytes);
    expect(far.bytes).toEqual({ received: 100, sent: 0 });
  });

  it('refuses a chunk whose file was cut, one that is in the file and inline, and one of a file that is not shared', () => {
    const { near, far } = ends();
    const sent = send(near);
    const place = { ...sent.header, placed: { place: limits.filePlaces - 1, bytes: 100 } };
    expect(() => far.receive(new Uint8Array(100), hashOf).accept(sent.header, bytes)).toThrow(ProtocolError);
    expect(() => socketPlane.receive(new Uint8Array(100), hashOf).accept(sent.header, sent.payload)).toThrow(
      'this connection shares no file',
    );
    const { file, name } = make();
    truncateAfterOpening(name);
    const cut = new MemoryPlane({ file, sends: 'down', acknowledge: () => undefined, onFault: () => undefined });
    expect(() => cut.receive(new Uint8Array(100), hashOf).accept(place, sent.payload)).toThrow(
      'its file cannot be read that far',
    );
  });

  it('goes on inline when the file takes no more, says so once, and when it is closed', () => {
    const { near, file, faults } = ends();
    send(near);
    file.write = () => {
      throw new Error('ENOSPC: no space left on device');
    };
    for (let i = 0; i < 3; i++) expect(send(near).payload).toBe(bytes);
    expect(faults).toEqual(['ENOSPC: no space left on device']);
    expect(near.isFull).toBe(false);
    const { near: other } = ends();
    other.close();
    expect(send(other).payload).toBe(bytes);
  });
});

/** Another process of the same user may cut the file at any time. */
function truncateAfterOpening(name: string): void {
  truncateSync(join(own(), name), 4096);
}
