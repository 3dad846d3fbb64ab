/**
 * The log of commits: every commit's header and bytes, on the disk before its release. Segments `log/<first step>.log`
 * hold records one after the other:
 *
 *   u32 LE header bytes | u32 LE CRC-32 of the header | header (JSON) | zeros to a multiple of 8 | payload
 *
 * The header carries a hash of each piece of the payload. Replicas that are behind are fed from here, and recovery replays
 * from here. A record that is torn or damaged ends its segment.
 */
import { mkdir, open, readdir, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { faultPoint, slowDisk } from '../../shared/fault-points.js';
import { split, type ByteRange } from '../../shared/replica/pieces.js';
import { digestOf, hashOf } from '../../shared/replica/piece-hash.js';
import { commitRecordSchema, type CommitRecord } from './commit-record.js';
import type { JournalLine } from './journal.js';
import type { LoggedLines } from './journal-chain.js';
import { storing, syncFolder } from './durable-files.js';
import type { KeptCommits } from './kept-commits.js';
import { readFully, writeFully } from './whole-io.js';

interface Segment {
  readonly firstStep: number;
  readonly path: string;
  readonly file: FileHandle;
  sizeBytes: number;
}

interface Place {
  readonly segment: Segment;
  /** Offset of the record's first byte in its segment. */
  readonly at: number;
  readonly payloadAt: number;
  /** The payload's digest by its pieces, which replicas expect, also of a record whose own digest was taken otherwise. */
  readonly digest: string;
  readonly stateHash: string;
}

const maximumHeaderBytes = 16 * 1024 * 1024;

/** The log of one run, open for reading and appending. */
export class CommitLog implements KeptCommits {
  readonly isDurable = true;
  readonly #folder: string;
  readonly #places = new Map<number, Place>();
  readonly #found = new Map<string, JournalLine>();
  readonly #damaged: string[] = [];
  #segments: Segment[] = [];
  #isRotating = true;
  #written = { bytes: 0, ms: 0 };

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Finds and checks what is there, every byte of it. */
  static async open(folder: string): Promise<CommitLog> {
    return storing(folder, async () => {
      await mkdir(folder, { recursive: true });
      const log = new CommitLog(folder);
      const steps = await firstSteps(folder);
      for (const [i, step] of steps.entries()) {
        const end = await log.#scan(step);
        if (i + 1 < steps.length && end !== steps[i + 1]) log.#damaged.push(join(folder, `${step}.log`));
      }
      return log;
    });
  }

  /** Whether the commit of `step` is here. */
  has(step: number): boolean {
    return this.#places.has(step);
  }

  /** The journal lines of the commits that were here at opening, by the chain of the journal before each. */
  get logged(): LoggedLines {
    return this.#found;
  }

  /** Names of segments that did not end where the next one begins, and were cut off there at opening. */
  get damaged(): readonly string[] {
    return this.#damaged;
  }

  /** Hash of the state after step `step`, if its commit is here. */
  stateHashAfter(step: number): string | undefined {
    return this.#places.get(step)?.stateHash;
  }

  /** Bytes of all segments on the disk. */
  get sizeBytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.sizeBytes, 0);
  }

  /** What this log has appended, and what writing and syncing that has taken. */
  get written(): { readonly bytes: number; readonly seconds: number } {
    return { bytes: this.#written.bytes, seconds: this.#written.ms / 1000 };
  }

  /** The next commit begins a segment of its own, so that those before it can be deleted. */
  rotate(): void {
    this.#isRotating = true;
  }

  /** Durable once this resolves. The payload must not change until then. */
  async append(record: CommitRecord, payload: Uint8Array | null): Promise<void> {
    await storing(`${this.#folder}, step ${record.step}`, async () => {
      const segment = await this.#segmentFor(record.step);
      const head = encodeHead(record);
      const at = segment.sizeBytes;
      const startMs = performance.now();
      await writeFully(segment.file, payload === null ? [head] : [head, payload], at);
      faultPoint('before-fsync');
      await segment.file.datasync();
      await slowDisk();
      this.#written = {
        bytes: this.#written.bytes + head.length + record.bytes,
        ms: this.#written.ms + performance.now() - startMs,
      };
      segment.sizeBytes = at + head.length + record.bytes;
      const { digest, stateHash } = record;
      this.#places.set(record.step, { segment, at, payloadAt: at + head.length, digest, stateHash });
    });
  }

  /** The header of a commit that is here. */
  async read(step: number): Promise<CommitRecord> {
    const place = this.#placeOf(step);
    return storing(place.segment.path, async () => {
      // This is one read, so that a segment that is dropped meanwhile closes only after it.
      const head = Buffer.alloc(place.payloadAt - place.at);
      const read = await readFully(place.segment.file, head, place.at);
      const record = read < head.length ? null : parseHead(head);
      if (record === null) throw new Error(`${place.segment.path}: the record of step ${step} has changed`);
      return { ...record, digest: place.digest };
    });
  }

  /** Bytes of a commit's payload, in memory of their own or in `target`. */
  async readBytes(
    step: number,
    range: ByteRange,
    target: Uint8Array = new Uint8Array(range.length),
  ): Promise<Uint8Array> {
    const place = this.#placeOf(step);
    return storing(place.segment.path, async () => {
      const read = await readFully(
        place.segment.file,
        target.subarray(0, range.length),
        place.payloadAt + range.offset,
      );
      if (read < range.length) throw new Error(`${place.segment.path}: the record of step ${step} has changed`);
      return target;
    });
  }

  /** Recovery may need them all the same. */
  forget(): void {
    return;
  }

  /** Deletes the segments whose commits all come before `step`. */
  async dropBefore(step: number): Promise<void> {
    for (;;) {
      const [oldest, next] = this.#segments;
      if (oldest === undefined || next === undefined || next.firstStep > step) return;
      await this.#drop(oldest);
    }
  }

  /** Forgets the commits from `step` on. */
  async truncate(step: number): Promise<void> {
    for (const segment of this.#segments.filter(({ firstStep }) => firstStep >= step)) await this.#drop(segment);
    const place = this.#places.get(step);
    for (const later of [...this.#places.keys()]) if (later >= step) this.#places.delete(later);
    if (place !== undefined && this.#segments.includes(place.segment)) await cut(place.segment, place.at);
  }

  /** Closes the files. The log must not be used any more. */
  async close(): Promise<void> {
    await Promise.all(this.#segments.map(({ file }) => file.close()));
    this.#segments = [];
    this.#places.clear();
  }

  #placeOf(step: number): Place {
    const place = this.#places.get(step);
    if (place === undefined) throw new Error(`step ${step} is not in the log`);
    return place;
  }

  async #segmentFor(step: number): Promise<Segment> {
    const last = this.#segments.at(-1);
    if (last !== undefined && !this.#isRotating) return last;
    this.#isRotating = false;
    // This segment is left over from a start at which its first record was torn.
    if (last?.firstStep === step) return last;
    const path = join(this.#folder, `${step}.log`);
    const segment = { firstStep: step, path, file: await open(path, 'w+'), sizeBytes: 0 };
    await syncFolder(this.#folder);
    this.#segments = [...this.#segments, segment];
    return segment;
  }

  async #drop(segment: Segment): Promise<void> {
    for (const [step, place] of [...this.#places]) if (place.segment === segment) this.#places.delete(step);
    this.#segments = this.#segments.filter((other) => other !== segment);
    await segment.file.close();
    await unlink(segment.path);
    await syncFolder(this.#folder);
  }

  /** @returns the step after its last whole commit */
  async #scan(firstStep: number): Promise<number> {
    let end = firstStep;
    const path = join(this.#folder, `${firstStep}.log`);
    const segment: Segment = { firstStep, path, file: await open(path, 'r+'), sizeBytes: 0 };
    this.#segments.push(segment);
    for await (const { at, payloadAt, record, digest } of recordsIn(segment.file, firstStep)) {
      this.#places.set(record.step, { segment, at, payloadAt, digest, stateHash: record.stateHash });
      segment.sizeBytes = payloadAt + record.bytes;
      if (record.before !== undefined) this.#found.set(record.before, record.line);
      end = record.step + 1;
    }
    await cut(segment, segment.sizeBytes);
    return end;
  }
}

/** First steps of a log's segments, in order. */
async function firstSteps(folder: string): Promise<number[]> {
  const names = (await readdir(folder)).filter((name) => /^\d+\.log$/.test(name));
  return names.map((name) => Number.parseInt(name, 10)).sort((a, b) => a - b);
}

/** Sound records of a segment, one step after the other, up to the first that is torn or damaged. */
async function* recordsIn(file: FileHandle, firstStep: number): AsyncGenerator<WholeRecord> {
  let at = 0;
  for (let step = firstStep; ; step++) {
    const head = await readHead(file, at);
    if (head?.record.step !== step) return;
    const digest = await digestIfWhole(file, head);
    if (digest === null) return;
    yield { ...head, at, digest };
    at = head.payloadAt + head.record.bytes;
  }
}

/** A log as it was read. */
export interface ReadLog {
  readonly records: readonly CommitRecord[];
  /** What follows the last sound record of the newest segment. */
  readonly torn: readonly { readonly name: string; readonly bytes: number }[];
  /** Segments that do not end where the next one begins. */
  readonly damaged: readonly string[];
}

/**
 * Headers of all sound records, every byte of theirs checked, and what follows the last one of a segment. Changes
 * nothing.
 */
export async function readLog(folder: string): Promise<ReadLog> {
  const records: CommitRecord[] = [];
  const torn: { name: string; bytes: number }[] = [];
  const damaged: string[] = [];
  const steps = await firstSteps(folder);
  for (const [i, firstStep] of steps.entries()) {
    const name = `${firstStep}.log`;
    const file = await open(join(folder, name), 'r');
    try {
      let end = 0;
      let next = firstStep;
      for await (const { record, payloadAt } of recordsIn(file, firstStep)) {
        records.push(record);
        next = record.step + 1;
        end = payloadAt + record.bytes;
      }
      const { size } = await file.stat();
      if (i + 1 < steps.length && next !== steps[i + 1]) damaged.push(name);
      else if (size > end) torn.push({ name, bytes: size - end });
    } finally {
      await file.close();
    }
  }
  return { records, torn, damaged };
}

/** The journal lines of these commits, by the chain of the journal before each. */
export function loggedLines(records: readonly CommitRecord[]): LoggedLines {
  return new Map(records.flatMap(({ before, line }) => (before === undefined ? [] : [[before, line] as const])));
}

async function cut(segment: Segment, sizeBytes: number): Promise<void> {
  await segment.file.truncate(sizeBytes);
  await segment.file.sync();
  segment.sizeBytes = sizeBytes;
}

function encodeHead(record: CommitRecord): Uint8Array {
  const header = Buffer.from(JSON.stringify(record));
  const head = Buffer.alloc(Math.ceil((8 + header.length) / 8) * 8);
  head.writeUInt32LE(header.length, 0);
  head.writeUInt32LE(crc32(header), 4);
  header.copy(head, 8);
  return head;
}

interface Head {
  readonly record: CommitRecord;
  readonly payloadAt: number;
}

interface WholeRecord extends Head {
  readonly at: number;
  readonly digest: string;
}

/** Null for a record that is torn, damaged or absent. */
async function readHead(file: FileHandle, at: number): Promise<Head | null> {
  const prefix = Buffer.alloc(8);
  if ((await readFully(file, prefix, at)) < 8) return null;
  const length = prefix.readUInt32LE(0);
  if (length === 0 || length > maximumHeaderBytes) return null;
  const head = Buffer.alloc(Math.ceil((8 + length) / 8) * 8);
  if ((await readFully(file, head, at)) < head.length) return null;
  const record = parseHead(head);
  return record === null ? null : { record, payloadAt: at + head.length };
}

function parseHead(head: Buffer): CommitRecord | null {
  const header = head.subarray(8, 8 + head.readUInt32LE(0));
  if (crc32(header) !== head.readUInt32LE(4)) return null;
  return commitRecordSchema.safeParse(JSON.parse(header.toString('utf8'))).data ?? null;
}

/** The payload's digest by its pieces; null where it is not all there, or not as it was written. */
async function digestIfWhole(file: FileHandle, { record, payloadAt }: Head): Promise<string | null> {
  const ranges = split(record.bytes);
  const { hashes, checksums = [] } = record;
  if (ranges.length !== (hashes ?? checksums).length) return null;
  const found: string[] = [];
  const piece = new Uint8Array(ranges[0]?.length ?? 0);
  for (const [i, { offset, length }] of ranges.entries()) {
    const bytes = piece.subarray(0, length);
    if ((await readFully(file, bytes, payloadAt + offset)) < length) return null;
    const hash = hashOf(bytes);
    if (hashes === undefined ? crc32(bytes) !== checksums[i] : hash !== hashes[i]) return null;
    found.push(hash);
  }
  return hashes === undefined && record.bytes > 0 ? digestOf(found) : record.digest;
}
