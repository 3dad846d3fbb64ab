/**
 * Snapshots: the whole state of a replica (weights, optimizer, moving values) with its position in the run. The state's
 * bytes are an artifact, `snapshots/<step>-<sha256>.state`, which joiners download; the header beside it, `.json`, is
 * written last, under a seal, so a state without a header is no snapshot. The one at step 0 is kept for good: the numerics probe of
 * every joiner is computed from it.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ifThere } from '../../shared/files.js';
import { faultPoint } from '../../shared/fault-points.js';
import type { JournalLine } from './journal.js';
import { putInPlace, storing, writeDurably } from './durable-files.js';
import { readSealed, sealedText } from './seal.js';

const count = z.number().int().nonnegative();
const headerSchema = z.strictObject({
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  bytes: count,
  /** Commits folded into the state. */
  step: count,
  /** How many of these commits had an update. */
  update: count,
  /** Index of the run's next unit. */
  unit: count,
  epoch: count,
  /** Fast hash of the state. */
  stateHash: z.string(),
  /** Digest of the recipe with its models and data. */
  recipeDigest: z.string(),
  /** The chain of the journal then; earlier versions did not write it. */
  journal: z.string().optional(),
});

/** What a snapshot's header says: the position in the run, and the length and SHA-256 of the state's bytes. */
export type SnapshotHeader = z.infer<typeof headerSchema>;

/** Where a run stands, without the state itself. */
export type RunPosition = Omit<SnapshotHeader, 'sha256' | 'bytes' | 'journal'> & { readonly journal: string };

/** A snapshot on the disk, with the path of its state. */
export type Snapshot = SnapshotHeader & { readonly path: string };

/** The bytes of a state, and a way to write them to a file. */
export interface StateSource {
  readonly bytes: Uint8Array;
  /** Writes them there; it is on the disk when this resolves. Gives its SHA-256, hexadecimal. */
  writeTo(path: string): Promise<string>;
}

const pieceBytes = 4 * 1024 * 1024;

/**
 * The snapshots in a run's folder. As many of the newest ones are kept as was asked for, and always the one at step 0.
 */
export class Snapshots {
  readonly #folder: string;
  readonly #run: string;
  readonly #keep: number;
  /** The snapshots by step, the oldest first. */
  #list: Snapshot[] = [];
  /** Names of the headers that no state on the disk fits. */
  #unusable: string[] = [];

  private constructor(folder: string, run: string, keep: number) {
    this.#folder = folder;
    this.#run = run;
    this.#keep = keep;
  }

  /**
   * Finds the snapshots in a folder, which is made where it is missing.
   *
   * @param run the run's id
   * @param keep how many of the newest are kept
   */
  static async open(folder: string, run: string, keep: number): Promise<Snapshots> {
    return storing(folder, async () => {
      await mkdir(folder, { recursive: true });
      const snapshots = new Snapshots(folder, run, keep);
      for (const name of (await readdir(folder)).filter((one) => one.endsWith('.json'))) {
        const snapshot = await readHeader(folder, name, run);
        if (snapshot === null) snapshots.#unusable.push(join(folder, name));
        else snapshots.#list.push(snapshot);
      }
      snapshots.#list.sort((a, b) => a.step - b.step);
      return snapshots;
    });
  }

  /** Paths of headers that cannot be read, or whose state is missing or has another size. */
  get unusable(): readonly string[] {
    return this.#unusable;
  }

  /** Sets unusable headers aside, and deletes what a kill left half written: states without a header. */
  async tidy(): Promise<void> {
    await storing(this.#folder, async () => {
      for (const path of this.#unusable.splice(0)) await setAside(path);
      const names = await readdir(this.#folder);
      const stems = new Set(names.flatMap((name) => /^(.*)\.(?:json|damaged)$/.exec(name)?.[1] ?? []));
      const left = names.filter(
        (name) => name.endsWith('.new') || (name.endsWith('.state') && !stems.has(name.slice(0, -'.state'.length))),
      );
      for (const name of left) await ifThere(unlink(join(this.#folder, name)));
    });
  }

  /** The snapshots, the oldest first. */
  get all(): readonly Snapshot[] {
    return this.#list;
  }

  /** The newest snapshot; undefined where there is none. */
  get newest(): Snapshot | undefined {
    return this.#list.at(-1);
  }

  /** The one at step 0. */
  get initial(): Snapshot | undefined {
    return this.#list.find(({ step }) => step === 0);
  }

  /** The log is needed from here on: if the newest snapshot proves damaged, the one before it takes its place. */
  get oldestStep(): number {
    return this.#list.at(-this.#keep)?.step ?? 0;
  }

  /**
   * Writes the state, and deletes snapshots beyond the number to keep. @throws UserError (69) when the storage fails;
   * the earlier snapshots are untouched
   */
  async write(state: StateSource, position: RunPosition): Promise<Snapshot> {
    return storing(`${this.#folder}, snapshot at step ${position.step}`, async () => {
      const aside = join(this.#folder, `${position.step}.state.new`);
      const sha256 = await state.writeTo(aside);
      const stem = `${position.step}-${sha256}`;
      const path = join(this.#folder, `${stem}.state`);
      await putInPlace(aside, path);
      const header: SnapshotHeader = { ...position, sha256, bytes: state.bytes.length };
      if (position.step > 0) faultPoint('snapshot');
      await writeDurably(join(this.#folder, `${stem}.json`), [Buffer.from(sealedText(header, this.#run))]);
      const snapshot = { ...header, path };
      this.#list = [...this.#list.filter(({ step }) => step !== position.step), snapshot].sort(
        (a, b) => a.step - b.step,
      );
      await this.#dropOld();
      return snapshot;
    });
  }

  /**
   * Reads a snapshot's state. False when it is damaged: then its header is renamed to `.damaged`, so that nothing takes
   * the state for a snapshot again, and `newest` is the one before.
   */
  async load(snapshot: Snapshot, target: Uint8Array): Promise<boolean> {
    return storing(snapshot.path, async () => {
      const isSound = snapshot.bytes === target.length && (await readInto(snapshot.path, target, snapshot.sha256));
      if (!isSound) await this.setAside(snapshot);
      return isSound;
    });
  }

  /** The snapshot is none any more: its header is renamed, and `newest` is the one before. */
  async setAside(snapshot: Snapshot): Promise<void> {
    this.#list = this.#list.filter((other) => other !== snapshot);
    await setAside(snapshot.path.replace(/state$/, 'json'));
  }

  /** Forgets snapshots after `step`, which a rewind made void. */
  async dropAfter(step: number): Promise<void> {
    await this.#remove(this.#list.filter((snapshot) => snapshot.step > step));
  }

  async #dropOld(): Promise<void> {
    const droppable = this.#list.filter(({ step }) => step > 0);
    await this.#remove(droppable.slice(0, Math.max(0, droppable.length - this.#keep)));
  }

  async #remove(old: readonly Snapshot[]): Promise<void> {
    this.#list = this.#list.filter((snapshot) => !old.includes(snapshot));
    for (const { path } of old) {
      await ifThere(unlink(path.replace(/state$/, 'json')));
      await ifThere(unlink(path));
    }
  }
}

/**
 * What a header says that the journal does not: of a snapshot of an earlier version, whose header has no seal, too.
 *
 * @param lines those that count, after rewinds; the commits after a snapshot may be missing, not those before it
 * @returns null where both agree
 */
export function snapshotFault(
  { step, update, unit, stateHash }: SnapshotHeader,
  lines: readonly JournalLine[],
): string | null {
  if (step === 0)
    return update === 0 && unit === 0 ? null : `update ${update} and unit ${unit} of a state of no commit`;
  const before = lines.filter((line) => line.type === 'commit').filter((line) => line.step < step);
  const last = before.at(-1);
  if (last === undefined || before.length !== step) return 'the journal has no such step';
  if (last.digest !== stateHash) return `it is of state ${stateHash}; the journal has ${last.digest}`;
  const updates = before.filter(({ skip }) => skip === undefined).length;
  if (update !== updates) return `update ${update}; the journal has ${updates}`;
  const evaluations = lines.filter((line) => line.type === 'evaluation' && line.step === step).length;
  return unit > last.unit && unit <= last.unit + 1 + evaluations
    ? null
    : `unit ${unit}; the journal has ${last.unit} before it`;
}

/** Nothing takes the state beside this header for a snapshot any more. */
async function setAside(header: string): Promise<void> {
  await rename(header, header.replace(/json$/, 'damaged'));
}

async function readHeader(folder: string, name: string, run: string): Promise<Snapshot | null> {
  const path = join(folder, name.replace(/json$/, 'state'));
  const text = await ifThere(readFile(join(folder, name), 'utf8'));
  const header = text === null ? null : sealedHeader(text, run);
  if (header === null || name !== `${header.step}-${header.sha256}.json`) return null;
  return (await ifThere(stat(path)))?.size === header.bytes ? { ...header, path } : null;
}

function sealedHeader(text: string, run: string): SnapshotHeader | null {
  try {
    return readSealed(text, headerSchema, run);
  } catch {
    return null;
  }
}

async function readInto(path: string, target: Uint8Array, sha256: string): Promise<boolean> {
  const hash = createHash('sha256');
  let at = 0;
  for await (const piece of createReadStream(path, { highWaterMark: pieceBytes })) {
    if (!(piece instanceof Uint8Array) || at + piece.length > target.length) return false;
    hash.update(piece);
    target.set(piece, at);
    at += piece.length;
  }
  return at === target.length && hash.digest('hex') === sha256;
}
