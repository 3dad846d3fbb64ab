/**
 * What the cache knows of remote files: a line of JSON for each that has come, which is only ever appended, in a file
 * for each server or bucket. Of several lines of one address the last one is true; a torn line is passed over.
 */
import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ifThere, makeFolders } from '../../../shared/files.js';
import { sha256Of } from '../../../shared/sha256.js';
import { isMasked } from './addresses.js';
import type { RemoteObject } from './remote-store.js';

const knownSchema = z.object({
  address: z.string(),
  bytes: z.number().int().nonnegative(),
  etag: z.string().nullable(),
  modified: z.string().nullable(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

/** A file that has come as a whole, with what its server said of it then. */
export type KnownFile = z.infer<typeof knownSchema>;

export class KnownFiles {
  readonly #folder: string;
  readonly #read = new Map<string, Promise<Map<string, KnownFile>>>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The file that the server tells of, if it has come before and nothing says that it is another now; else null. */
  async find(object: RemoteObject): Promise<KnownFile | null> {
    const known = (await this.#of(object.address)).get(object.address);
    if (known === undefined) return null;
    if (object.sha256 !== null) return object.sha256 === known.sha256 ? known : null;
    // Addresses that differ in what is masked alone may be of several files with one time.
    const isTold = object.etag !== null || (object.modified !== null && !isMasked(object.address));
    const isSame = known.bytes === object.bytes && known.etag === object.etag && known.modified === object.modified;
    return isTold && isSame ? known : null;
  }

  /** What has come of an address, whatever its server would say now; null for nothing. */
  async last(address: string): Promise<KnownFile | null> {
    return (await this.#of(address)).get(address) ?? null;
  }

  /** All that has come of addresses that begin so. */
  async below(start: string): Promise<KnownFile[]> {
    return [...(await this.#of(start)).values()].filter(({ address }) => address.startsWith(start));
  }

  async add(known: KnownFile): Promise<void> {
    (await this.#of(known.address)).set(known.address, known);
    await makeFolders(this.#folder);
    await appendFile(this.#fileOf(known.address), `${JSON.stringify(known)}\n`, { mode: 0o600 });
  }

  #fileOf(address: string): string {
    return join(this.#folder, `${sha256Of(containerOf(address)).slice(0, 32)}.jsonl`);
  }

  #of(address: string): Promise<Map<string, KnownFile>> {
    const file = this.#fileOf(address);
    const found = this.#read.get(file) ?? readKnown(file);
    this.#read.set(file, found);
    return found;
  }
}

/** The server, bucket or repository that an address is of. */
function containerOf(address: string): string {
  const parts = address.startsWith('hf://') ? /^hf:\/\/(?:[^/@]+\/)?[^/]+\/[^/]+/ : /^[a-z0-9]+:\/\/[^/]+/;
  return parts.exec(address)?.[0] ?? address;
}

async function readKnown(file: string): Promise<Map<string, KnownFile>> {
  const lines = ((await ifThere(readFile(file, 'utf8'))) ?? '').split('\n');
  return new Map(lines.flatMap(knownIn).map((known) => [known.address, known]));
}

function knownIn(line: string): KnownFile[] {
  try {
    const parsed = knownSchema.safeParse(JSON.parse(line));
    return parsed.success ? [parsed.data] : [];
  } catch {
    return [];
  }
}
