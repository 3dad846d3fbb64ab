/**
 * Files of repositories of the Hugging Face Hub: `hf://datasets/OWNER/NAME[@REVISION]/PATH`, and of models without
 * `datasets/`. A revision becomes the commit that it stands for when it is listed, so that what is read cannot change.
 */
import { posix } from 'node:path';
import type { ListFileEntry, PathInfo, RepoDesignation } from '@huggingface/hub';
import { exitCodes, UserError } from '../../../shared/errors.js';
import { isLoopback } from '../../../shared/access/loopback.js';
import { cutPattern, decoded, given, escapedPath, isPattern, matcherOf } from './addresses.js';
import { bodyOf, rangeHeaders } from './answers.js';
import { OutOfReach, problemOf, TransferBroken, type AskOptions, type HttpClient } from './http-client.js';
import type { RemoteListing, RemoteObject, RemoteScheme, RemoteStore, StoreContext } from './remote-store.js';

export const hf: RemoteScheme = { begins: 'hf://', open: openHub };

interface Place {
  readonly type: 'dataset' | 'model';
  /** `OWNER/NAME` */
  readonly repo: string;
  readonly revision: string;
  readonly path: string;
}

const commit = /^[0-9a-f]{40}$/;
const answerMs = 30_000;
const mostHops = 5;
/** Bytes of a page of a list: a thousand files, whose paths have a few thousand letters at most. */
const longestAnswer = 16 << 20;

function openHub({ http, env }: StoreContext): RemoteStore {
  const hub = hubOf(env);
  const client = new HubClient(http, hub);
  return {
    async list(name) {
      const place = placeOf(name);
      const pinned = { ...place, revision: await client.commitOf(name, place) };
      const address = nameOf(pinned);
      const { path } = place;
      if (isPattern(path)) {
        const { folder, pattern } = cutPattern(path);
        const matches = matcherOf(pattern);
        const objects = (await client.below(name, pinned, folder)).filter((object) => matches(object.path));
        return objects.length === 0 ? null : { kind: 'pattern', address, pattern, objects };
      }
      const found = path === '' || path.endsWith('/') ? null : await client.entry(name, pinned);
      if (found?.type === 'file') return fileListing(pinned, found);
      const folder = path === '' || path.endsWith('/') ? path : `${path}/`;
      const objects = await client.below(name, pinned, folder);
      return objects.length === 0 ? null : { kind: 'folder', address, pattern: '', objects };
    },
    async read(object, range) {
      const { type, repo, revision, path } = placeOf(object.address);
      const url = `${hub.url}/${type === 'dataset' ? 'datasets/' : ''}${repo}/resolve/${revision}/${escapedPath(path)}`;
      // The commit names the content; tags are those of whatever server it lies on.
      const plain = { ...object, etag: null };
      const headers = rangeHeaders(plain, range);
      const response = await http.askOnce(url, { address: object.address, headers, ...accessOf(hub) });
      return bodyOf(response, plain, { range, denied: (status) => denied(object.address, status) });
    },
  };
}

interface Hub {
  readonly url: string;
  readonly token: string | null;
}

function hubOf(env: NodeJS.ProcessEnv): Hub {
  const url = (given(env.HF_ENDPOINT) ?? 'https://huggingface.co').replace(/\/+$/, '');
  const token = given(env.HF_TOKEN) ?? null;
  if (!/^https?:\/\/[^/?#@]+/.test(url)) throw new UserError('HF_ENDPOINT: no address; https://HOST was wanted');
  const { protocol, hostname } = new URL(url);
  if (protocol === 'http:' && token !== null && !isLoopback(hostname))
    throw new UserError('HF_ENDPOINT: http:// given, over which HF_TOKEN could be read; https:// was wanted');
  return { url, token };
}

function accessOf({ token }: Hub): Pick<AskOptions, 'authorize' | 'isPlainAllowed'> {
  const headers = token === null ? {} : { authorization: `Bearer ${token}` };
  return { isPlainAllowed: true, authorize: async () => headers };
}

/** @throws UserError 2 for a name of another form */
function placeOf(name: string): Place {
  const found = /^hf:\/\/(datasets\/|models\/)?([^/@]+\/[^/@]+)(?:@([^/]+))?(?:\/([\s\S]*))?$/.exec(name);
  if (found === null || /^(datasets|models|spaces)\//.test(found[2] ?? ''))
    throw new UserError(
      `${name}: no name of a file of the Hub; hf://datasets/OWNER/NAME/PATH was wanted, with @REVISION behind NAME or without`,
    );
  const [, kind = '', repo = '', revision = 'main', path = ''] = found;
  return { type: kind === 'datasets/' ? 'dataset' : 'model', repo, revision: decoded(revision), path };
}

function nameOf({ type, repo, revision, path }: Place): string {
  return `hf://${type === 'dataset' ? 'datasets/' : ''}${repo}@${encodeURIComponent(revision)}/${path}`;
}

/** What the library of the Hub is asked, with this program's bounds and errors. */
class HubClient {
  readonly #http: HttpClient;
  readonly #hub: Hub;
  /** By repository and revision, the commit that it stands for in this process. */
  readonly #commits = new Map<string, Promise<string>>();

  constructor(http: HttpClient, hub: Hub) {
    this.#http = http;
    this.#hub = hub;
  }

  commitOf(name: string, { type, repo, revision }: Place): Promise<string> {
    if (commit.test(revision)) return Promise.resolve(revision);
    const key = `${type} ${repo} ${revision}`;
    const found = this.#commits.get(key) ?? this.#askCommit(name, { type, repo, revision });
    this.#commits.set(key, found);
    return found;
  }

  /** @throws UserError 2 where there is no such repository or revision, or it may not be read */
  async #askCommit(name: string, { type, repo, revision }: Omit<Place, 'path'>): Promise<string> {
    const { datasetInfo, modelInfo } = await import('@huggingface/hub');
    const sha = await this.#asking(name, async (common) => {
      const wanted = { name: repo, revision, ...common };
      return type === 'dataset'
        ? (await datasetInfo({ ...wanted, additionalFields: ['sha'] })).sha
        : (await modelInfo({ ...wanted, additionalFields: ['sha'] })).sha;
    });
    if (sha !== null && commit.test(sha)) return sha;
    throw new UserError(
      `${name}: there is no repository ${repo} with revision ${revision}; one that is there was wanted`,
    );
  }

  /** What lies at a path; null for nothing, or for a folder's name without anything of its own. */
  async entry(name: string, place: Place): Promise<PathInfo | null> {
    const { pathsInfo } = await import('@huggingface/hub');
    const found = await this.#asking(name, (common) =>
      pathsInfo({ repo: repoOf(place), paths: [place.path], revision: place.revision, ...common }),
    );
    return found?.find(({ path }) => path === place.path) ?? null;
  }

  /** All files below a folder, by path; none where there is no such folder. @param folder empty, or with its `/` */
  async below(name: string, place: Place, folder: string): Promise<RemoteObject[]> {
    const { listFiles } = await import('@huggingface/hub');
    const found = await this.#asking(name, async (common) => {
      const entries: ListFileEntry[] = [];
      const path = folder.replace(/\/$/, '');
      const wanted = { repo: repoOf(place), revision: place.revision, recursive: true, ...common };
      for await (const entry of listFiles(path === '' ? wanted : { ...wanted, path })) entries.push(entry);
      return entries;
    });
    return (found ?? [])
      .filter(({ type, path }) => type === 'file' && path.startsWith(folder))
      .map((entry) => objectOf(place, entry, entry.path.slice(folder.length)))
      .sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  /** @returns null where nothing has the name @throws UserError 2 where access is refused, OutOfReach (69) */
  async #asking<T>(
    name: string,
    ask: (common: { hubUrl: string; fetch: typeof fetch; accessToken?: string }) => Promise<T>,
  ): Promise<T | null> {
    const { HubApiError } = await import('@huggingface/hub');
    const { url, token } = this.#hub;
    const common = { hubUrl: url, fetch: this.#fetchOf(name), ...(token === null ? {} : { accessToken: token }) };
    try {
      return await ask(common);
    } catch (error) {
      if (error instanceof UserError) throw error;
      if (error instanceof TypeError && /accessToken|access token/i.test(error.message))
        throw new UserError('HF_TOKEN: no token of the Hub; one that begins with hf_ was wanted');
      if (!(error instanceof HubApiError)) throw new OutOfReach(name, 'the Hub answers what it should not', error);
      if (error.statusCode === 404) return null;
      if ([401, 403].includes(error.statusCode)) throw denied(name, error.statusCode);
      throw new OutOfReach(name, `the Hub answers ${error.statusCode}`, error);
    }
  }

  /**
   * What the library asks with: of the Hub's own server alone, which gets the token.
   * @throws UserError 77 for another server, OutOfReach (69)
   */
  #fetchOf(name: string): typeof fetch {
    const asked = new Set<string>();
    return async (input, init) => {
      let url = new URL(input instanceof Request ? input.url : input);
      const isRead = (init?.method ?? 'GET') === 'GET';
      if (isRead && asked.has(url.href)) throw new OutOfReach(name, "the Hub's list leads back to where it was");
      asked.add(url.href);
      for (let hop = 0; hop <= mostHops; hop++) {
        this.#expectOwn(name, url);
        const response = await this.#http.trying(name, () => this.#fetchOnce(name, url, init));
        const next = response.headers.get('location');
        if (response.status < 300 || response.status >= 400 || next === null || !URL.canParse(next, url.href))
          return response;
        url = new URL(next, url.href);
      }
      throw new OutOfReach(name, `the Hub leads on to other addresses more than ${mostHops} times`);
    };
  }

  #expectOwn(name: string, { origin }: URL): void {
    const own = new URL(this.#hub.url).origin;
    if (origin === own) return;
    throw new UserError(`${name}: the Hub's answer leads to ${origin}; its own ${own} was wanted`, exitCodes.refused);
  }

  async #fetchOnce(name: string, url: URL, init: RequestInit | undefined): Promise<Response> {
    this.#http.expectGoing();
    const { stop } = this.#http;
    const signal = AbortSignal.any([AbortSignal.timeout(answerMs), ...(stop === undefined ? [] : [stop])]);
    try {
      const response = await fetch(url, { ...init, redirect: 'manual', signal });
      if (response.status === 429 || response.status >= 500) {
        await response.body?.cancel();
        throw new TransferBroken(`the Hub answers ${response.status}`);
      }
      const body = await bytesOf(response);
      return new Response(body.length === 0 ? null : body, { status: response.status, headers: response.headers });
    } catch (error) {
      this.#http.expectGoing();
      throw problemOf(name, error instanceof Error && error.cause !== undefined ? error.cause : error);
    }
  }
}

/** @throws TransferBroken for an answer that is too long */
async function bytesOf(response: Response): Promise<Buffer<ArrayBuffer>> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of response.body ?? []) {
    if (!(piece instanceof Uint8Array)) continue;
    bytes += piece.length;
    if (bytes > longestAnswer) throw new TransferBroken(`its answer is longer than ${longestAnswer} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

function repoOf({ type, repo }: Place): RepoDesignation {
  return { type, name: repo };
}

function fileListing(place: Place, entry: PathInfo): RemoteListing {
  const objects = [objectOf(place, entry, posix.basename(entry.path))];
  return { kind: 'file', address: nameOf(place), pattern: '', objects };
}

/** A file that the Hub keeps by LFS has its SHA-256 in the list, any other the hash that Git gives it. */
function objectOf(
  place: Place,
  entry: Pick<ListFileEntry, 'path' | 'size' | 'oid' | 'lfs'>,
  path: string,
): RemoteObject {
  return {
    address: nameOf({ ...place, path: entry.path }),
    path,
    bytes: entry.lfs?.size ?? entry.size,
    etag: entry.oid ?? null,
    modified: null,
    sha256: entry.lfs?.oid ?? null,
  };
}

function denied(name: string, status: number): UserError {
  return new UserError(
    `${name}: the Hub refuses access (${status}); a repository that is there and that HF_TOKEN may read was wanted`,
    exitCodes.usage,
  );
}
