/**
 * Label blocks on this machine's disk: FOLDER/<set key>/<block name>.<rows that are there>.<SHA-256 of the file>. A
 * file appears by rename and never changes; its digest is checked whenever it is read, and a damaged one is said and
 * removed, so that its labels are computed again. Several processes may share the folder: each writes what it has,
 * merged with what lies there. Beyond its bound the sets that were used longest ago go first.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, storageProblem } from '../errors.js';
import { ifReachable, ifThere } from '../files.js';
import { sha256Of } from '../sha256.js';
import { decodeBlock, LabelBlock } from './block.js';
import type { BlockPlace } from './block-plan.js';
import type { LabelSet } from './sets.js';

export interface LabelStoreOptions {
  readonly folder: string;
  /** The most bytes that all files may have together. */
  readonly maxBytes: number;
  /** Gets one line for a damaged block, or for a disk that takes no more. */
  readonly warn: (line: string) => void;
}

/** A file of a block, by what its name says. */
interface Kept {
  readonly file: string;
  /** Number of rows that it claims to hold. */
  readonly count: number;
  readonly sha256: string;
}

/** How often a block is tried to be written while other processes remove the folder of its set. */
const writeAttempts = 8;

const fileName = /^(.+)\.(\d+)\.([0-9a-f]{64})$/;

export class LabelStore {
  readonly #options: LabelStoreOptions;
  /** Files by set key, then by block name, as they were last listed. */
  readonly #known = new Map<string, Map<string, Kept[]>>();
  /** Keys of the sets that this process uses; they are never evicted by it. */
  readonly #used = new Set<string>();
  /** Bytes of all files, as far as this process knows; null before they are first counted. */
  #bytes: number | null = null;
  #isFull = false;

  constructor(options: LabelStoreOptions) {
    this.#options = options;
  }

  /** Numbers of rows that files claim to hold of each block; what other processes have written since counts, too. */
  async counts(set: LabelSet, places: readonly BlockPlace[]): Promise<number[]> {
    const known = await this.#list(set.key);
    return places.map(({ name }) => Math.max(0, ...(known.get(name) ?? []).map(({ count }) => count)));
  }

  /** All that files hold of the block, merged; an empty one where there is nothing sound. */
  async load(set: LabelSet, place: BlockPlace): Promise<LabelBlock> {
    const block = new LabelBlock(set.codec, place.rows);
    for (const kept of (await this.#knownOf(set.key)).get(place.name) ?? []) {
      if (block.isComplete) break;
      const found = await this.#read(set, place, kept);
      if (found !== null) block.merge(found);
    }
    return block;
  }

  /**
   * Writes the block, merged with what other processes have written of it, which it replaces. A full disk is said once,
   * and is no error.
   */
  async save(set: LabelSet, place: BlockPlace, block: LabelBlock): Promise<void> {
    const others = (await this.#list(set.key)).get(place.name) ?? [];
    if (others.some(({ count }) => count === place.rows) || this.#isFull) return;
    for (const kept of others) {
      const found = await this.#read(set, place, kept);
      if (found !== null) block.merge(found);
    }
    if (block.count === 0) return;
    try {
      const written = await this.#write(set.key, place.name, block);
      for (const { file } of others)
        if (file !== written) await rm(join(this.#options.folder, set.key, file), { force: true });
      await this.#makeRoom(block.bytes.length);
    } catch (error) {
      if (storageProblem(error) === null) throw error;
      this.#isFull = true;
      this.#options.warn(
        `labels: ${this.#options.folder} takes no more (${codeOf(error)}); this run goes on without keeping more of them there`,
      );
    }
  }

  async #write(key: string, name: string, block: LabelBlock): Promise<string> {
    const folder = join(this.#options.folder, key);
    const content = block.bytes.slice();
    const sha256 = sha256Of(content);
    const file = `${name}.${block.count}.${sha256}`;
    await this.#writeInto(folder, file, content);
    this.#used.add(key);
    this.#known.get(key)?.set(name, [{ file, count: block.count, sha256 }]);
    return file;
  }

  /** Another process that makes room may remove the folder of a set at any moment; then it is made again. */
  async #writeInto(folder: string, file: string, content: Uint8Array): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const aside = join(folder, `.${randomBytes(8).toString('hex')}.part`);
      try {
        await mkdir(folder, { recursive: true });
        await writeFile(aside, content);
        await rename(aside, join(folder, file));
        return;
      } catch (error) {
        await rm(aside, { force: true });
        if (codeOf(error) !== 'ENOENT' || attempt === writeAttempts) throw error;
      }
    }
  }

  async #read(set: LabelSet, place: BlockPlace, kept: Kept): Promise<LabelBlock | null> {
    const path = join(this.#options.folder, set.key, kept.file);
    const content = await ifThere(readFile(path));
    if (content === null) return null;
    const block = sha256Of(content) === kept.sha256 ? decodeBlock(set.codec, place.rows, content) : null;
    const found = block?.fault() ?? null;
    if (block !== null && found === null) return block;
    const problem =
      found === null ? 'is damaged' : `can be no label (sample ${place.first + found.row}: ${found.fault})`;
    this.#options.warn(
      `labels: ${path} (samples ${place.first} to ${place.first + place.rows - 1}, ${set.name}) ${problem}; it is thrown away, and its labels are computed again`,
    );
    await rm(path, { force: true });
    return null;
  }

  async #knownOf(key: string): Promise<Map<string, Kept[]>> {
    return this.#known.get(key) ?? this.#list(key);
  }

  async #list(key: string): Promise<Map<string, Kept[]>> {
    const folder = join(this.#options.folder, key);
    const known = new Map<string, Kept[]>();
    for (const file of await namesIn(folder)) {
      const [, name, count, sha256] = fileName.exec(file) ?? [];
      if (name === undefined || sha256 === undefined) continue;
      known.set(
        name,
        [...(known.get(name) ?? []), { file, count: Number(count), sha256 }].sort((a, b) => b.count - a.count),
      );
    }
    if (known.size > 0 && !this.#used.has(key)) await touch(folder);
    this.#used.add(key);
    this.#known.set(key, known);
    return known;
  }

  /**
   * Sets go as wholes: a part of a set saves part of the work, and the oldest set is the one least likely to be wanted.
   */
  async #makeRoom(added: number): Promise<void> {
    const { folder, maxBytes } = this.#options;
    this.#bytes = this.#bytes === null ? await bytesOf(folder) : this.#bytes + added;
    if (this.#bytes <= maxBytes) return;
    const sets = await Promise.all(
      (await namesIn(folder)).map(async (key) => ({
        key,
        bytes: await bytesOf(join(folder, key)),
        ms: await modifiedMs(join(folder, key)),
      })),
    );
    let bytes = sets.reduce((sum, set) => sum + set.bytes, 0);
    for (const set of sets.filter(({ key }) => !this.#used.has(key)).sort((a, b) => a.ms - b.ms)) {
      if (bytes <= maxBytes) break;
      // The process that uses it may write into it meanwhile, and then it stays.
      if (await isRemoved(join(folder, set.key))) bytes -= set.bytes;
    }
    this.#bytes = bytes;
    if (bytes <= maxBytes) return;
    this.#isFull = true;
    this.#options.warn(
      `labels: this run's labels fill the ${maxBytes} bytes that ${folder} may hold (STILLHOUSE_LABELS_BYTES); the rest is not kept there`,
    );
  }
}

/** Names of what lies in a folder; none where there is no folder. */
async function namesIn(folder: string): Promise<string[]> {
  return (await ifReachable(readdir(folder))) ?? [];
}

/** Bytes of all files below a folder; one that another process removes meanwhile counts nothing. */
async function bytesOf(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await namesIn(folder)) {
    const path = join(folder, name);
    const found = await ifThere(stat(path));
    if (found !== null) bytes += found.isDirectory() ? await bytesOf(path) : found.size;
  }
  return bytes;
}

async function isRemoved(folder: string): Promise<boolean> {
  try {
    await rm(folder, { recursive: true, force: true });
    return true;
  } catch (error) {
    if (codeOf(error) !== 'ENOTEMPTY') throw error;
    return false;
  }
}

async function modifiedMs(path: string): Promise<number> {
  return (await ifThere(stat(path)))?.mtimeMs ?? 0;
}

async function touch(folder: string): Promise<void> {
  const now = new Date();
  await utimes(folder, now, now).catch((error: unknown) => {
    if (storageProblem(error) === null && codeOf(error) !== 'ENOENT') throw error;
  });
}
