/**
 * The files of other machines that a recipe names, as files of this one. A name is listed once in a process; what has
 * come before and has not changed stays, all else is fetched; and what is handed out has been verified by its SHA-256.
 *
 * CACHE/remote/files/ holds each file under its SHA-256, CACHE/remote/known/ what was told of them, and
 * CACHE/remote/trees/ gives them their names, as links.
 */
import { join } from 'node:path';
import PQueue from 'p-queue';
import { usableCache } from '../../../shared/cache-folder.js';
import { counted } from '../../../shared/counted.js';
import type { RemoteIdentity } from '../../../shared/data/remote-identity.js';
import { UserError } from '../../../shared/errors.js';
import { HttpClient, OutOfReach, type HttpOptions } from './http-client.js';
import { bareOf, isMasked, masked, maskedText, namesIn, refuseUser } from './addresses.js';
import { folderOf, listNames } from './braces.js';
import { listDigest, otherThanPinned, type RemotePin, type SetPin } from './identity.js';
import { isRemote, schemeOf } from './list.js';
import { expectNoneInAnother, RemoteCache, type HeldFile } from './remote-cache.js';
import type { RemoteListing, RemoteObject, RemoteScheme, RemoteStore } from './remote-store.js';

export interface RemoteOptions extends HttpOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** The cache's folder. Default: the user's. */
  readonly cache?: () => Promise<string>;
  /** Called with each line for the user about what is fetched. */
  readonly say?: (text: string) => void;
  /** Called with each line for the user about what looks odd. */
  readonly warn?: (text: string) => void;
  /** Bytes that are asked for at a time. */
  readonly pieceBytes?: number;
}

/** Requests at a time, over all files. */
const requestsAtOnce = 8;
/** Names that are listed at a time. */
const listsAtOnce = 8;

export class RemoteFiles {
  readonly #env: NodeJS.ProcessEnv;
  readonly #http: HttpClient;
  readonly #say: (text: string) => void;
  readonly #warn: (text: string) => void;
  readonly #cacheOf: () => Promise<string>;
  readonly #pieceBytes: number;
  readonly #stores = new Map<RemoteScheme, RemoteStore>();
  readonly #lists = new PQueue({ concurrency: listsAtOnce });
  readonly #listings = new Map<string, Promise<RemoteListing | null>>();
  readonly #paths = new Map<string, Promise<string>>();
  readonly #pins = new Map<string, SetPin>();
  readonly #identities = new Map<string, RemoteIdentity>();
  /** Addresses with their signatures, by what is shown of them. */
  readonly #signed = new Map<string, string>();
  /** Names by the folders of this machine that stand for them. */
  readonly #places = new Map<string, string>();
  /** What was handed out, by name. */
  readonly #files = new Map<string, readonly HeldFile[]>();
  #cache: Promise<RemoteCache> | null = null;

  constructor({ env = process.env, cache = usableCache, say, warn, pieceBytes, ...http }: RemoteOptions = {}) {
    this.#env = env;
    this.#cacheOf = cache;
    this.#say = say ?? ((): void => undefined);
    this.#warn = warn ?? ((): void => undefined);
    this.#pieceBytes = pieceBytes ?? 16 << 20;
    this.#http = new HttpClient(http);
  }

  /**
   * The name without its signature, which stays in this process alone.
   * @throws UserError 2 for a name with a user or a password, and for two addresses that would show one name
   */
  hide(name: string): string {
    if (!isRemote(name)) return name;
    refuseUser(name);
    const shown = masked(name);
    if (shown === name || isMasked(name)) return shown;
    const [key, address] = [bareOf(shown), bareOf(name)];
    if ((this.#signed.get(key) ?? address) !== address)
      throw new UserError(
        `${shown}: two addresses that differ only in what is masked as a key or a signature; one for each file, which differs elsewhere too, was wanted`,
      );
    this.#signed.set(key, address);
    if (namesIn(address).length > 1) for (const one of namesIn(address)) this.#signed.set(masked(one), one);
    return shown;
  }

  /** Takes note of what names must stand for. A name that is pinned stays usable when its server cannot be reached. */
  pin(by: SetPin['by'], pins: ReadonlyMap<string, RemotePin>): void {
    for (const [name, pin] of pins) this.#pins.set(bareOf(name), { pin, by });
  }

  /**
   * Asks a server for what a name stands for, and reads nothing of it.
   * @returns false where nothing has that name
   * @throws UserError 2 for credentials, OutOfReach (69) where the server does not answer and nothing of it is here
   */
  async isThere(name: string): Promise<boolean> {
    const bare = bareOf(name);
    try {
      return (await this.#list(bare)) !== null;
    } catch (error) {
      if (error instanceof OutOfReach && this.#pins.has(bare)) return true;
      if (error instanceof OutOfReach && (await (await this.#held()).hasSome(bare))) return true;
      throw error;
    }
  }

  /**
   * The verified file, folder or pattern of this machine that stands for a name.
   * @throws UserError 2 where nothing has that name, 65 where what came is not what was wanted, 69 where it does not come
   */
  async local(name: string): Promise<string> {
    const bare = bareOf(name);
    const found = this.#paths.get(bare) ?? this.#provide(bare);
    this.#paths.set(bare, found);
    return `${await found}${name.slice(bare.length)}`;
  }

  /**
   * A file together with others that lie beside it on its server, as files of one folder of this machine.
   * @param beside their paths, relative to the file's folder
   * @returns the path of the file
   * @throws as `local`
   */
  async together(name: string, beside: readonly string[]): Promise<string> {
    await this.local(name);
    const folder = name.replace(/[?#][\s\S]*$/, '').replace(/[^/]*$/, '');
    const own = this.#files.get(name) ?? [];
    const others = await Promise.all(
      beside.map(async (path) => {
        const other = `${folder}${path}`;
        await this.local(other);
        return (this.#files.get(other) ?? []).map((file) => ({ ...file, path }));
      }),
    );
    const root = await (await this.#held()).tree([...own, ...others.flat()]);
    this.#places.set(root, folder.replace(/\/$/, ''));
    return join(root, own[0]?.path ?? '');
  }

  /** What has been handed out by now, by name. */
  get identities(): ReadonlyMap<string, RemoteIdentity> {
    return this.#identities;
  }

  /** A text with names in place of the files of this machine that stand for them. */
  text(text: string): string {
    let named = maskedText(text);
    for (const [place, name] of this.#places) named = named.replaceAll(place, () => name);
    return named;
  }

  /** An error of the user's with names in place of the files that stand for them; any other as it is. */
  error(error: unknown): unknown {
    if (!(error instanceof UserError)) return error;
    const text = this.text(error.message);
    return text === error.message ? error : new UserError(text, error.exitCode, error);
  }

  #list(bare: string): Promise<RemoteListing | null> {
    const pinned = this.#pins.get(bare)?.pin.address ?? bare;
    const found = this.#listings.get(pinned) ?? this.#lists.add(() => listNames(this.#storeOf(bare), pinned));
    this.#listings.set(pinned, found);
    return found;
  }

  #storeOf(name: string): RemoteStore {
    const scheme = schemeOf(name);
    if (scheme === null) throw new Error(`${name} is no remote name`);
    const found = this.#stores.get(scheme);
    if (found !== undefined) return found;
    const reveal = (address: string): string => this.#signed.get(address) ?? address;
    const store = scheme.open({ http: this.#http, env: this.#env, reveal });
    this.#stores.set(scheme, store);
    return store;
  }

  #held(): Promise<RemoteCache> {
    return (this.#cache ??= this.#cacheOf().then(
      (folder) => new RemoteCache(join(folder, 'remote'), this.#env, () => this.#http.expectGoing()),
    ));
  }

  async #provide(bare: string): Promise<string> {
    const listing = await this.#list(bare).catch((error: unknown) => this.#withoutServer(bare, error));
    if (listing === null) throw new UserError(`${bare}: there is no such file; one that is there was wanted`);
    const set = this.#pins.get(bare);
    this.#sayVersion(bare, listing, set);
    expectAsTold(bare, listing, set);
    const files = await this.#fetch(bare, listing);
    const identity = identityOf(bare, listing, files);
    if (set !== undefined && set.pin.sha256 !== identity.sha256) throw otherThanPinned(bare, set, identity);
    this.#identities.set(bare, identity);
    this.#files.set(bare, files);
    const { kind, pattern } = listing;
    const root = await (await this.#held()).tree(files);
    const path = kind === 'folder' ? root : join(root, kind === 'file' ? (files[0]?.path ?? '') : pattern);
    const shown = kind === 'file' ? bare : folderOf(bare).replace(/\/$/, '');
    this.#places.set(kind === 'file' ? path : root, shown);
    return path;
  }

  #sayVersion(bare: string, { address }: RemoteListing, set: SetPin | undefined): void {
    if (address === bare) return;
    const text =
      set?.by === 'run' ? `stays at ${address}, as this run began` : `is ${address} now, and stays so for this run`;
    this.#say(`${bare}: ${text}`);
  }

  /**
   * What is here of a name whose server does not answer, where it is pinned.
   * @throws the error where it is not, or not all of it is here
   */
  async #withoutServer(bare: string, error: unknown): Promise<RemoteListing> {
    const set = this.#pins.get(bare);
    if (!(error instanceof OutOfReach)) throw error;
    const cache = await this.#held();
    if (set === undefined) {
      const fixed = namesCommit(bare) ? await cache.recall(bare, null) : null;
      if (fixed !== null) {
        this.#warn(`${error.message}; what came of this commit before is used`);
        return fixed;
      }
      if (!(await cache.hasSome(bare))) throw error;
      throw new UserError(
        `${error.message}; what came of it before is here, and is used without its server only where data.sha256 or a run that is continued says what it must be`,
        error.exitCode,
        error,
      );
    }
    const found = await cache.recall(set.pin.address ?? bare, set.pin);
    if (found === null) throw error;
    this.#warn(`${error.message}; what came of it before is used, with the SHA-256 that the ${set.by} says`);
    return found;
  }

  async #fetch(bare: string, { objects }: RemoteListing): Promise<HeldFile[]> {
    expectNoneInAnother(objects);
    const cache = await this.#held();
    const here = await Promise.all(objects.map((object) => cache.find(object)));
    const missing = objects.filter((_, i) => here[i] === null);
    if (missing.length === 0) return here.flatMap((file) => file ?? []);
    const bytes = missing.reduce((sum, object) => sum + (object.bytes ?? 0), 0);
    await cache.makeRoom(bytes - (await cache.bytesInParts(missing, this.#pieceBytes)));
    const some = missing.length === objects.length ? '' : ` of ${objects.length}`;
    this.#say(
      `fetching ${bare}: ${missing.length}${some} ${objects.length === 1 ? 'file' : 'files'}, ${sizeText(bytes)}`,
    );
    const queue = new PQueue({ concurrency: requestsAtOnce });
    const options = {
      store: this.#storeOf(bare),
      http: this.#http,
      queue,
      pieceBytes: this.#pieceBytes,
      came: this.#progress(bare, bytes),
    };
    const fetched = await cache.fetchAll(missing, options);
    return objects.map((object, i) => here[i] ?? mustFetch(fetched, object));
  }

  /** Says every ten seconds how much has come. */
  #progress(bare: string, bytes: number): (bytes: number) => void {
    let [came, saidMs] = [0, Date.now()];
    return (more) => {
      came += more;
      if (Date.now() - saidMs < 10_000) return;
      saidMs = Date.now();
      this.#say(`fetching ${bare}: ${sizeText(came)} of ${sizeText(bytes)}`);
    };
  }
}

function mustFetch(fetched: ReadonlyMap<string, HeldFile>, { path }: RemoteObject): HeldFile {
  const file = fetched.get(path);
  if (file === undefined) throw new Error(`${path} was not fetched`);
  return file;
}

/** What is wrong can often be told before anything is fetched. @throws UserError 65 */
function expectAsTold(bare: string, { objects }: RemoteListing, set: SetPin | undefined): void {
  if (set === undefined) return;
  const { pin } = set;
  const bytes = objects.reduce<number | null>((sum, object) => (sum === null ? null : sum + (object.bytes ?? NaN)), 0);
  const isOtherNumber = pin.files !== undefined && pin.files !== objects.length;
  const isOtherLength = pin.bytes !== undefined && bytes !== null && !Number.isNaN(bytes) && bytes !== pin.bytes;
  const only = onlyOf(objects);
  const told = only?.sha256 ?? null;
  const isOtherDigest = told !== null && told !== pin.sha256;
  if (!isOtherNumber && !isOtherLength && !isOtherDigest) return;
  throw otherThanPinned(bare, set, {
    files: objects.length,
    bytes: bytes === null || Number.isNaN(bytes) ? undefined : bytes,
    etag: only?.etag ?? undefined,
    modified: only?.modified ?? undefined,
    sha256: told ?? undefined,
  });
}

function onlyOf(objects: readonly RemoteObject[]): RemoteObject | null {
  return objects.length === 1 ? (objects[0] ?? null) : null;
}

function identityOf(bare: string, { address, objects }: RemoteListing, files: readonly HeldFile[]): RemoteIdentity {
  const [first] = files;
  const { etag = null, modified = null } = onlyOf(objects) ?? {};
  return {
    ...(address === bare ? {} : { address }),
    files: files.length,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    sha256: files.length === 1 && first !== undefined ? first.sha256 : listDigest(files),
    ...(etag === null ? {} : { etag }),
    ...(modified === null ? {} : { modified }),
  };
}

/** Whether a name is that of a commit, whose content cannot change. */
function namesCommit(name: string): boolean {
  return /^hf:\/\/[^@]+@[0-9a-f]{40}\//.test(name);
}

function sizeText(bytes: number): string {
  const units: [number, string][] = [
    [1e9, 'GB'],
    [1e6, 'MB'],
    [1e3, 'kB'],
  ];
  const unit = units.find(([size]) => bytes >= size);
  return unit === undefined ? counted(bytes, 'byte') : `${(bytes / unit[0]).toFixed(1)} ${unit[1]}`;
}
