/** The part of the cache that holds remote files: each under its SHA-256, verified at its first use in a process. */
import { constants } from 'node:fs';
import { copyFile, link, mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { randomUUID } from 'node:crypto';
import PQueue from 'p-queue';
import { codeOf, exitCodes, storageProblem, UserError } from '../../../shared/errors.js';
import { ifThere, makeFolders } from '../../../shared/files.js';
import { makeRoomFor } from '../../../shared/room.js';
import { sha256Of } from '../../../shared/sha256.js';
import { cutPattern, decoded, isPattern, matcherOf, namesIn, placeIn } from './addresses.js';
import { listNames } from './braces.js';
import { bytesInPart, digestOf, download, type FetchOptions } from './download.js';
import { listDigest, type RemotePin } from './identity.js';
import { KnownFiles, type KnownFile } from './known-files.js';
import type { RemoteListing, RemoteObject } from './remote-store.js';

/** A file that lies in the cache. */
export interface HeldFile {
  /** Below the folder that was listed. */
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
}

const bound = { what: 'remote files', setting: 'STILLHOUSE_REMOTE_BYTES' };
const dayMs = 24 * 60 * 60 * 1000;
/** Files that are begun at a time. */
const filesAtOnce = 16;

export class RemoteCache {
  readonly #env: NodeJS.ProcessEnv;
  readonly #files: string;
  readonly #trees: string;
  readonly #known: KnownFiles;
  /** Whether what lies under a SHA-256 has it, for those that were looked at in this process. */
  readonly #verified = new Map<string, Promise<boolean>>();
  readonly #checks = new PQueue({ concurrency: 4 });
  readonly #going: () => void;

  /** @param going called while files are verified; what it throws ends that */
  constructor(folder: string, env: NodeJS.ProcessEnv, going: () => void) {
    this.#env = env;
    this.#going = going;
    this.#files = join(folder, 'files');
    this.#trees = join(folder, 'trees');
    this.#known = new KnownFiles(join(folder, 'known'));
  }

  /** The file where it has come before, has not changed and is whole; else null. @throws UserError 65 for its path */
  async find(object: RemoteObject): Promise<HeldFile | null> {
    expectPath(object);
    const known = await this.#known.find(object);
    if (known !== null && (await this.#isWhole(known.sha256))) return { ...heldOf(known), path: object.path };
    const bytes = object.sha256 === null ? null : await this.#bytesOf(object.sha256);
    return bytes === null ? null : { path: object.path, sha256: object.sha256 ?? '', bytes };
  }

  /** Whether anything has come of a name before. */
  async hasSome(name: string): Promise<boolean> {
    for (const one of namesIn(name)) {
      const start = isPattern(one) ? cutPattern(one).folder : one;
      if ((await this.#known.last(one)) !== null || (await this.#known.below(start)).length > 0) return true;
    }
    return false;
  }

  /**
   * What has come of a name before, where it is all that the pin wants and whole; else null. A file that has the digest
   * is what a pin wants, under whatever name it came.
   * @param pin null: a file whose name says what it holds
   */
  async recall(name: string, pin: RemotePin | null): Promise<RemoteListing | null> {
    const single = await this.#known.last(name);
    if (single !== null && (pin === null || single.sha256 === pin.sha256) && (await this.#isWhole(single.sha256)))
      return fileListing(name, objectOf(single, baseOf(name)));
    if (pin === null) return null;
    const isOne = !isPattern(placeIn(name)) && namesIn(name)[0] === name && !name.endsWith('/');
    const bytes = isOne ? await this.#bytesOf(pin.sha256) : null;
    if (bytes !== null) {
      const told = { bytes, etag: null, modified: null, sha256: pin.sha256 };
      return fileListing(name, { address: name, path: baseOf(name), ...told });
    }
    const found = await listNames({ list: (one) => this.#knownOf(one) }, name).catch((error: unknown) => {
      if (error instanceof UserError) return null;
      throw error;
    });
    if (found === null) return null;
    const files = found.objects.map(({ path, sha256 }) => ({ path, sha256: sha256 ?? '' }));
    const digest = files.length === 1 ? files[0]?.sha256 : listDigest(files);
    if (digest !== pin.sha256) return null;
    const areWhole = await Promise.all(files.map(({ sha256 }) => this.#isWhole(sha256)));
    return areWhole.every(Boolean) ? found : null;
  }

  /** All that has come of a name without braces, whether it is still here or not; null for nothing. */
  async #knownOf(name: string): Promise<RemoteListing | null> {
    const single = await this.#known.last(name);
    if (single !== null) return fileListing(name, objectOf(single, baseOf(name)));
    const { folder, pattern } = isPattern(name)
      ? cutPattern(name)
      : { folder: `${name.replace(/\/$/, '')}/`, pattern: '' };
    const matches = pattern === '' ? (): boolean => true : matcherOf(pattern);
    const objects = (await this.#known.below(folder))
      .map((known) => objectOf(known, known.address.slice(folder.length)))
      .filter(({ path }) => matches(path))
      .sort((a, b) => (a.path < b.path ? -1 : 1));
    if (objects.length === 0) return null;
    return { kind: pattern === '' ? 'folder' : 'pattern', address: name, pattern, objects };
  }

  /** The length of the file that has the digest; null where it is not here, or not whole. */
  async #bytesOf(sha256: string): Promise<number | null> {
    const found = await ifThere(stat(join(this.#files, sha256)));
    return found !== null && (await this.#isWhole(sha256)) ? found.size : null;
  }

  /** @throws UserError 69 where there is no room for so many bytes more, 2 for a wrong bound */
  async makeRoom(bytes: number): Promise<void> {
    await this.#makeFolders();
    await this.#sweepTrees();
    await makeRoomFor(bound, this.#files, bytes, { env: this.#env });
  }

  async #makeFolders(): Promise<void> {
    await makeFolders(dirname(this.#files));
    for (const folder of [this.#files, this.#trees]) await mkdir(folder, { recursive: true, mode: 0o700 });
  }

  /** Bytes that are here of files that a download would go on with. */
  async bytesInParts(objects: readonly RemoteObject[], pieceBytes: number): Promise<number> {
    await this.#makeFolders();
    const found = await Promise.all(objects.map((object) => bytesInPart(object, { folder: this.#files, pieceBytes })));
    return found.reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Fetches files. After one has failed the others end, and it returns when all have. @returns them by path */
  async fetchAll(
    objects: readonly RemoteObject[],
    options: Omit<FetchOptions, 'folder' | 'room' | 'failing'>,
  ): Promise<Map<string, HeldFile>> {
    const queue = new PQueue({ concurrency: filesAtOnce });
    const fetched = new Map<string, HeldFile>();
    const failing = new AbortController();
    const own = { folder: this.#files, failing, room: () => this.makeRoom(0) };
    await queue.addAll(
      objects.map((object) => async () => {
        if (failing.signal.aborted) return;
        try {
          const { sha256, bytes } = await download(object, { ...options, ...own });
          const { address, etag, modified } = object;
          this.#verified.set(sha256, Promise.resolve(true));
          await this.#known.add({ address, bytes, etag, modified, sha256 });
          fetched.set(object.path, { path: object.path, sha256, bytes });
        } catch (error) {
          failing.abort(error);
        }
      }),
    );
    failing.signal.throwIfAborted();
    return fetched;
  }

  /** A folder that holds the files by their paths, as further names of them. */
  async tree(files: readonly HeldFile[]): Promise<string> {
    const root = join(this.#trees, sha256Of(JSON.stringify(files.map(({ path, sha256 }) => [path, sha256]))));
    for (const { sha256 } of files) await markUsed(join(this.#files, sha256));
    if ((await ifThere(stat(root))) !== null) {
      await markUsed(root);
      if (await this.#areNamed(root, files)) return root;
      await rm(root, { recursive: true, force: true });
    }
    const aside = `${root}.${randomUUID()}`;
    try {
      for (const { path, sha256 } of files) await linkOrCopy(join(this.#files, sha256), join(aside, path));
      await rename(aside, root).catch((error: unknown) => {
        // Another process has made the same one first.
        if (!['ENOTEMPTY', 'EEXIST'].includes(codeOf(error))) throw error;
      });
      await rm(aside, { recursive: true, force: true });
    } catch (error) {
      await rm(aside, { recursive: true, force: true });
      if (codeOf(error) === 'ENOENT')
        throw new UserError(
          `${this.#files}: a file was taken away while its names were made; all of them were wanted, which another run fetches`,
          exitCodes.unavailable,
          error,
        );
      const problem = storageProblem(error);
      if (problem === null) throw error;
      throw new UserError(
        `${this.#trees}: ${problem}; room for names was wanted there, or another STILLHOUSE_CACHE`,
        exitCodes.unavailable,
        error,
      );
    }
    return root;
  }

  /** Whether the files of a tree are those of the cache, or whole copies of them. */
  async #areNamed(root: string, files: readonly HeldFile[]): Promise<boolean> {
    for (const { path, sha256 } of files) {
      const named = join(root, path);
      const [there, held] = [await ifThere(stat(named)), await ifThere(stat(join(this.#files, sha256)))];
      if (there === null) return false;
      if (there.ino !== held?.ino && (await digestOf(named, this.#going)).sha256 !== sha256) return false;
    }
    return true;
  }

  #isWhole(sha256: string): Promise<boolean> {
    const found = this.#verified.get(sha256) ?? this.#checks.add(() => this.#look(sha256));
    this.#verified.set(sha256, found);
    return found;
  }

  /** A file that is damaged is removed. */
  async #look(sha256: string): Promise<boolean> {
    const path = join(this.#files, sha256);
    const found = await ifThere(digestOf(path, this.#going));
    if (found === null) return false;
    if (found.sha256 === sha256) {
      await markUsed(path);
      return true;
    }
    await rm(path, { force: true });
    return false;
  }

  /** Takes away names that were not used for a day; the files keep those that they are held under. */
  async #sweepTrees(): Promise<void> {
    for (const name of await readdir(this.#trees)) {
      const path = join(this.#trees, name);
      const found = await ifThere(stat(path));
      if (found !== null && Date.now() - found.mtimeMs > dayMs) await rm(path, { recursive: true, force: true });
    }
  }
}

/** Says when it was used, by which room is made. What is another user's, or gone, keeps its time. */
async function markUsed(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now).catch((error: unknown) => {
    if (codeOf(error) === '') throw error;
  });
}

function heldOf({ sha256, bytes }: KnownFile): Omit<HeldFile, 'path'> {
  return { sha256, bytes };
}

function fileListing(name: string, object: RemoteObject): RemoteListing {
  return { kind: 'file', address: name, pattern: '', objects: [object] };
}

function baseOf(name: string): string {
  const base = placeIn(name).replace(/^.*\//, '');
  return /^https?:/i.test(name) ? decoded(base).replaceAll('/', '_') : base;
}

function objectOf({ address, bytes, etag, modified, sha256 }: KnownFile, path: string): RemoteObject {
  return { address, path, bytes, etag, modified, sha256 };
}

/** @throws UserError 65 for a path that no file of this machine can have, or that leads out of the folder */
function expectPath({ address, path }: RemoteObject): void {
  const isSound =
    path !== '' &&
    !/[\0\\]/.test(path) &&
    path.split('/').every((part) => part !== '' && part !== '.' && part !== '..' && Buffer.byteLength(part) < 256);
  if (isSound) return;
  throw new UserError(
    `${address}: ${JSON.stringify(path)} can be no file's name here; another was wanted`,
    exitCodes.data,
  );
}

/** @throws UserError 65 where one file has the name of a folder that another lies in, or both have one name */
export function expectNoneInAnother(objects: readonly RemoteObject[]): void {
  const addresses = new Map<string, string>();
  for (const { path, address } of objects) {
    const twice = addresses.get(path);
    if (twice !== undefined) throw cannotBoth(twice, address);
    addresses.set(path, address);
  }
  for (const { path, address } of objects)
    for (let cut = path.lastIndexOf('/'); cut > 0; cut = path.lastIndexOf('/', cut - 1)) {
      const around = addresses.get(path.slice(0, cut));
      if (around !== undefined) throw cannotBoth(around, address);
    }
}

function cannotBoth(one: string, other: string): UserError {
  return new UserError(
    `${one} and ${other}: files of this machine cannot have both names; a pattern or a folder with one of them was wanted`,
    exitCodes.data,
  );
}

/** @throws UserError 65 where something else has the name already */
async function linkOrCopy(from: string, to: string): Promise<void> {
  const taken = (error: unknown): never => {
    if (!['EEXIST', 'ENOTDIR'].includes(codeOf(error))) throw error;
    throw new UserError(
      `${to}: another file has this name, or that of its folder, on this disk; other names were wanted`,
      exitCodes.data,
      error,
    );
  };
  await mkdir(dirname(to), { recursive: true, mode: 0o700 }).catch(taken);
  const linked = link(from, to).catch(async (error: unknown) => {
    if (!['EPERM', 'ENOTSUP', 'EMLINK', 'ENOSYS', 'EXDEV'].includes(codeOf(error))) throw error;
    await copyFile(from, to, constants.COPYFILE_FICLONE);
  });
  await linked.catch(taken);
}
