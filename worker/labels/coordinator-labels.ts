/**
 * Labels that other workers have made, by way of the coordinator: asked for before anything is computed, and given what
 * was computed here. A coordinator that does not answer costs a computation, never a run: what could not be sent stays
 * on this machine's disk.
 */
import { decodeBlock } from '../../shared/labels/block.js';
import type { LabelSet } from '../../shared/labels/sets.js';
import type { LabelShelf } from '../../shared/labels/shelf.js';
import {
  contentDigest,
  digestHeader,
  encodeRows,
  labelCountsSchema,
  rowsPerMessage,
  workerHeader,
} from '../../shared/protocol/label-messages.js';
import { WaitEnded } from '../compute/contract.js';
import type { OpenSharedLabels, SharedLabels } from '../compute/labels/shared-labels.js';

export interface CoordinatorLabelsOptions {
  /** `http://HOST:PORT/labels/` */
  readonly address: string;
  readonly token: string | null;
  /** A name for this worker, where the coordinator leases blocks to it. */
  readonly worker?: string | undefined;
  readonly shelf: LabelShelf;
  readonly warn: (line: string) => void;
  /** Wait for others to make what is missing. */
  readonly wait?: boolean;
  /** Called while waiting; false: nobody waits any more. */
  readonly alive?: (() => boolean) | undefined;
  /** Between two questions for what there is. */
  readonly askMs?: number;
  /** How long new rows are gathered before they are sent. */
  readonly gatherMs?: number;
}

interface Known {
  counts: readonly number[];
  atMs: number;
  isFirst: boolean;
}

const patienceMs = 10_000;
const closeMs = 2000;
/** Between two looks while waiting; and looks after which the waiting is said. */
const waitMs = 100;
const patientTries = 50;

/** Where a worker asks for labels that others made: the coordinator's `http://HOST:PORT/labels/`. */
export type LabelsAddress = Pick<CoordinatorLabelsOptions, 'address' | 'token' | 'worker'>;

/**
 * The coordinator's labels as a run takes them: opened, it tells the coordinator what this machine's disk has and the
 * coordinator lacks. A worker that the coordinator leases blocks to makes what is missing, so it never waits for others.
 */
export function openCoordinatorLabels(at: LabelsAddress): OpenSharedLabels {
  return (options) => {
    const labels = new CoordinatorLabels({ ...options, ...at, wait: at.worker === undefined && options.wait });
    labels.greet();
    return labels;
  };
}

export class CoordinatorLabels implements SharedLabels {
  readonly #options: CoordinatorLabelsOptions & { readonly askMs: number; readonly gatherMs: number };
  readonly #known: (Known | null)[];
  /** By set: sample ids whose rows are to be sent. */
  readonly #outgoing: number[][];
  #timer: NodeJS.Timeout | null = null;
  #sending: Promise<void> = Promise.resolve();
  #isSilent = false;

  constructor(options: CoordinatorLabelsOptions) {
    this.#options = { askMs: 1000, gatherMs: 100, ...options };
    this.#known = options.shelf.sets.map(() => null);
    this.#outgoing = options.shelf.sets.map(() => []);
  }

  /** Tells the coordinator what this machine's disk has and it lacks. */
  greet(): void {
    for (const set of this.#known.keys())
      this.#sending = this.#sending.then(async () => void (await this.#counts(set)));
  }

  /** Complete blocks are worth their bytes; at the start of a run, so are the parts that an earlier one has left. */
  async ask(set: number, wanted: ReadonlyMap<number, readonly number[]>): Promise<void> {
    for (let tries = 0; ; tries++) {
      await this.#look(set, wanted);
      if (this.#options.wait !== true || (await this.#hasAll(set, wanted))) return;
      if (tries === patientTries)
        this.#options.warn('labels: waiting for workers with --role label to make what this one needs');
      if (this.#options.alive?.() === false) throw new WaitEnded('the run ended while labels were waited for');
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }

  async #hasAll(set: number, wanted: ReadonlyMap<number, readonly number[]>): Promise<boolean> {
    for (const [number, rows] of wanted) {
      const block = await this.#options.shelf.open(set, number);
      if (!rows.every((row) => block.has(row))) return false;
    }
    return true;
  }

  async #look(set: number, wanted: ReadonlyMap<number, readonly number[]>): Promise<void> {
    const known = await this.#counts(set);
    if (known === null) return;
    const { shelf } = this.#options;
    for (const number of wanted.keys()) {
      const count = known.counts[number] ?? 0;
      const block = await shelf.open(set, number);
      if (count > block.count && (count === block.rows || known.isFirst || this.#options.wait === true))
        await this.#fetchBlock(set, number);
    }
  }

  offer(set: number, block: number, rows: readonly number[]): void {
    const first = this.#options.shelf.plan.blocks[block]?.first ?? 0;
    for (const row of rows) this.#outgoing[set]?.push(first + row);
    this.#timer ??= setTimeout(() => this.#flush(patienceMs), this.#options.gatherMs);
  }

  async sent(): Promise<void> {
    this.#flush(patienceMs);
    await this.#sending;
  }

  async close(): Promise<void> {
    await this.#sending;
    this.#flush(closeMs);
    await this.#sending;
  }

  /** What the coordinator has, as of less than `askMs` ago; null while it does not answer. */
  async #counts(set: number): Promise<Known | null> {
    const known = this.#known[set] ?? null;
    if (known !== null && performance.now() - known.atMs < (this.#options.wait === true ? waitMs : this.#options.askMs))
      return known;
    const response = await this.#request(set, '', {}, patienceMs);
    const counts =
      response === null
        ? null
        : labelCountsSchema.safeParse(await bodyOf(response, (body) => body.json())).data?.counts;
    const found = { counts: counts ?? [], atMs: performance.now(), isFirst: known === null };
    this.#known[set] = found;
    if (known === null) await this.#offerOwn(set, found.counts);
    return found;
  }

  /** Rows on this machine's disk that the coordinator lacks. */
  async #offerOwn(set: number, counts: readonly number[]): Promise<void> {
    const { shelf } = this.#options;
    for (const [number, own] of (await shelf.counts(set)).entries()) {
      if (own <= (counts[number] ?? 0) || this.#isSilent) continue;
      const block = await shelf.open(set, number);
      this.offer(
        set,
        number,
        Array.from({ length: block.rows }, (_, row) => row).filter((row) => block.has(row)),
      );
    }
  }

  async #fetchBlock(set: number, number: number): Promise<void> {
    const { shelf, warn } = this.#options;
    const response = await this.#request(set, `/${number}`, {}, patienceMs);
    if (response === null) return;
    const bytes = await bodyOf(response, async (body) => new Uint8Array(await body.arrayBuffer()));
    if (bytes === null) return;
    const block = await shelf.open(set, number);
    const found =
      response.headers.get(digestHeader) === contentDigest(bytes)
        ? decodeBlock(this.#setAt(set).codec, block.rows, bytes)
        : null;
    if (found === null)
      return void warn(`labels: block ${number} came damaged from the coordinator; its labels are computed here`);
    block.merge(found);
  }

  #flush(timeoutMs: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    for (const [set, ids] of this.#outgoing.entries()) {
      const step = rowsPerMessage(this.#setAt(set).codec.rowBytes);
      const all = ids.splice(0);
      for (let at = 0; at < all.length; at += step) {
        const part = all.slice(at, at + step);
        this.#sending = this.#sending.then(() => this.#send(set, part, timeoutMs));
      }
    }
  }

  async #send(set: number, ids: readonly number[], timeoutMs: number): Promise<void> {
    const { shelf } = this.#options;
    const blocks = new Map<number, Awaited<ReturnType<LabelShelf['open']>>>();
    for (const id of ids) {
      const number = shelf.plan.locate(id);
      if (!blocks.has(number)) blocks.set(number, await shelf.open(set, number));
    }
    const present = ids.filter((id) => blocks.get(shelf.plan.locate(id))?.has(rowOf(shelf, id)) === true);
    const body = encodeRows(present, this.#setAt(set).codec.rowBytes, (i) => {
      const id = present[i] ?? 0;
      return blocks.get(shelf.plan.locate(id))?.rowBytes(rowOf(shelf, id)) ?? new Uint8Array(0);
    });
    const response = await this.#request(
      set,
      '',
      { method: 'PUT', body, headers: { [digestHeader]: contentDigest(body) } },
      timeoutMs,
    );
    if (response !== null) await bodyOf(response, (answer) => answer.arrayBuffer());
  }

  /** Null for an answer other than a good one; the first one in a row is said. */
  async #request(
    set: number,
    path: string,
    init: { method?: string; body?: Uint8Array<ArrayBuffer>; headers?: Record<string, string> },
    timeoutMs: number,
  ): Promise<Response | null> {
    const { address, token, warn, worker } = this.#options;
    const authorization: Record<string, string> = {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(worker === undefined ? {} : { [workerHeader]: worker }),
    };
    try {
      const response = await fetch(new URL(`${this.#setAt(set).key}${path}`, address), {
        ...init,
        headers: { ...init.headers, ...authorization },
        signal: AbortSignal.timeout(timeoutMs),
      });
      // 404: the coordinator is at another run already, or keeps no labels of this one.
      if (!response.ok && response.status !== 404 && response.status !== 503 && !this.#isSilent)
        warn(`labels: the coordinator refuses them (${response.status}); they are kept on this machine`);
      this.#isSilent = !response.ok;
      if (response.ok) return response;
      await bodyOf(response, (answer) => answer.arrayBuffer());
    } catch (error) {
      if (!isTransportError(error)) throw error;
      this.#isSilent = true;
    }
    return null;
  }

  #setAt(set: number): LabelSet {
    const spec = this.#options.shelf.sets[set];
    if (spec === undefined) throw new RangeError(`label set ${set}`);
    return spec;
  }
}

function rowOf({ plan }: LabelShelf, id: number): number {
  return id - (plan.blocks[plan.locate(id)]?.first ?? 0);
}

/** What `read` makes of the body; null when the connection breaks before its end. */
async function bodyOf<T>(response: Response, read: (response: Response) => Promise<T>): Promise<T | null> {
  try {
    return await read(response);
  } catch (error) {
    if (!isTransportError(error)) throw error;
    return null;
  }
}

/** What `fetch` throws for a peer that is away (TypeError), slow (TimeoutError) or not making sense (SyntaxError). */
function isTransportError(error: unknown): boolean {
  return (
    error instanceof TypeError ||
    error instanceof SyntaxError ||
    (error instanceof DOMException && (error.name === 'TimeoutError' || error.name === 'AbortError'))
  );
}
