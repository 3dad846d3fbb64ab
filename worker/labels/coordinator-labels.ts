/**
 * Labels that other workers have made, by way of the coordinator. It is asked for them before anything is computed, and
 * given what was computed here. A coordinator that does not answer costs a computation, never a run: what could not be
 * sent stays on this machine's disk.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeBlock } from '../../shared/labels/block.js';
import type { LabelSet } from '../../shared/labels/sets.js';
import { encodeRows, rowsPerMessage, type LabelRow } from '../../shared/protocol/label-messages.js';
import { WaitEnded } from '../compute/contract.js';
import type { OpenSharedLabels, SharedLabels, SharedLabelsOptions } from '../compute/labels/shared-labels.js';
import type { CoordinatorClient } from '../link/coordinator-client.js';
import { LabelClient, type LabelAnswer, type LabelMaker } from './label-client.js';

export interface CoordinatorLabelsOptions extends SharedLabelsOptions {
  readonly client: LabelClient;
  /** Milliseconds for which an answer to what the coordinator has is good; 1 s where it is not given. */
  readonly askMs?: number;
  /** Milliseconds for which new rows are gathered before they are sent; 100 where it is not given. */
  readonly gatherMs?: number;
}

/** What the coordinator has of a set. */
interface Known {
  /** Rows of each block. A block beyond the end has none: the coordinator did not answer, or not with all. */
  readonly counts: readonly number[];
  readonly atMs: number;
  /** Whether this is the first answer of the run. */
  readonly isFirst: boolean;
}

/** Milliseconds that an answer may take, and that one may take while this worker ends. */
const patienceMs = 10_000;
const closeMs = 2000;
/** Milliseconds between two looks while this worker waits for labels, and looks after which it says that it waits. */
const waitMs = 100;
const patientTries = 50;

/**
 * The coordinator's labels as a run takes them. Once opened they tell the coordinator what this machine's disk has and
 * the coordinator lacks.
 *
 * @param role `label`: the coordinator leases blocks to it. It makes what is missing, so it never waits for others
 */
export function openCoordinatorLabels(
  client: CoordinatorClient,
  maker: LabelMaker,
  role: 'train' | 'label' = 'train',
): OpenSharedLabels {
  return (options) => {
    const wait = role === 'train' && options.wait;
    const labels = new CoordinatorLabels({ ...options, wait, client: new LabelClient(client, maker) });
    labels.greet();
    return labels;
  };
}

export class CoordinatorLabels implements SharedLabels {
  readonly #options: Required<CoordinatorLabelsOptions>;
  /** What the coordinator has of each set; null before it was asked. */
  readonly #known: (Known | null)[];
  /** For each set the samples whose rows are to be sent. */
  readonly #outgoing: number[][];
  #timer: NodeJS.Timeout | null = null;
  #sending: Promise<void> = Promise.resolve();
  #isRefused = false;
  /** It was said that the coordinator has other labels than this worker. */
  #isOther = false;

  constructor(options: CoordinatorLabelsOptions) {
    this.#options = { askMs: 1000, gatherMs: 100, ...options };
    this.#known = options.labelBlocks.sets.map(() => null);
    this.#outgoing = options.labelBlocks.sets.map(() => []);
  }

  /** Tells the coordinator what this machine's disk has and it lacks. */
  greet(): void {
    for (const set of this.#known.keys())
      this.#sending = this.#sending.then(async () => void (await this.#whatIsThere(set)));
  }

  /** Complete blocks are worth their bytes; at the start of a run, so are the parts that an earlier one has left. */
  async ask(set: number, wanted: ReadonlyMap<number, readonly number[]>): Promise<void> {
    const { wait, alive, warn } = this.#options;
    for (let tries = 0; ; tries++) {
      await this.#fetchWhatIsThere(set, wanted);
      if (!wait || (await this.#hasAll(set, wanted))) return;
      if (tries === patientTries) warn('labels: waiting for workers with --role label to make what this one needs');
      if (!alive()) throw new WaitEnded('the run ended while labels were waited for');
      await sleep(waitMs);
    }
  }

  offer(set: number, block: number, rows: readonly number[]): void {
    const { first } = this.#options.labelBlocks.plan.at(block);
    this.#outgoingOf(set).push(...rows.map((row) => first + row));
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

  async #hasAll(set: number, wanted: ReadonlyMap<number, readonly number[]>): Promise<boolean> {
    for (const [number, rows] of wanted) {
      const block = await this.#options.labelBlocks.open(set, number);
      if (!rows.every((row) => block.has(row))) return false;
    }
    return true;
  }

  async #fetchWhatIsThere(set: number, wanted: ReadonlyMap<number, readonly number[]>): Promise<void> {
    const { labelBlocks, wait } = this.#options;
    const { counts, isFirst } = await this.#whatIsThere(set);
    for (const number of wanted.keys()) {
      const count = counts[number] ?? 0;
      const block = await labelBlocks.open(set, number);
      if (count > block.wantedCount && (count === block.wantedRows || isFirst || wait))
        await this.#fetchBlock(set, number);
    }
  }

  /** What the coordinator has of a set, as of less than `askMs` ago. */
  async #whatIsThere(set: number): Promise<Known> {
    const { client, wait, askMs } = this.#options;
    const known = this.#known[set] ?? null;
    if (known !== null && performance.now() - known.atMs < (wait ? waitMs : askMs)) return known;
    const answer = this.#take(await client.counts(this.#setAt(set).key, { timeoutMs: patienceMs }));
    const found = { counts: answer?.counts ?? [], atMs: performance.now(), isFirst: known === null };
    this.#known[set] = found;
    if (known === null) await this.#offerOwn(set, found.counts);
    return found;
  }

  /** Offers the rows on this machine's disk that the coordinator lacks. */
  async #offerOwn(set: number, counts: readonly number[]): Promise<void> {
    const { labelBlocks } = this.#options;
    for (const [number, own] of (await labelBlocks.counts(set)).entries()) {
      if (own <= (counts[number] ?? 0) || this.#isRefused) continue;
      const block = await labelBlocks.open(set, number);
      this.offer(
        set,
        number,
        Array.from({ length: block.rows }, (_, row) => row).filter((row) => block.has(row) && block.wants(row)),
      );
    }
  }

  async #fetchBlock(set: number, number: number): Promise<void> {
    const { client, labelBlocks, warn } = this.#options;
    const { key, codec } = this.#setAt(set);
    const answer = await client.block(key, number, { timeoutMs: patienceMs });
    if (answer.type !== 'damaged' && this.#take(answer) === null) return;
    const block = await labelBlocks.open(set, number);
    const found = answer.type === 'given' ? decodeBlock(codec, block.rows, answer.value) : null;
    if (found?.fault() === null) block.merge(found);
    else warn(`labels: block ${number} came damaged from the coordinator; its labels are computed here`);
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

  /** Sends the rows of these samples, but for those that this machine has given up meanwhile. */
  async #send(set: number, ids: readonly number[], timeoutMs: number): Promise<void> {
    const { client, labelBlocks } = this.#options;
    const { key, codec } = this.#setAt(set);
    const rows: LabelRow[] = [];
    for (const id of ids) {
      const number = labelBlocks.plan.locate(id);
      const block = labelBlocks.at(set, number) ?? (await labelBlocks.open(set, number));
      const row = labelBlocks.plan.rowOf(id);
      if (block.has(row)) rows.push({ id, bytes: block.rowBytes(row) });
    }
    const answer = await client.putRows(key, encodeRows(rows, codec.rowBytes), { timeoutMs });
    this.#take(answer);
    // They are sent again with the next ones: the coordinator leases what it lacks until it has it.
    if (answer.type === 'refused' && answer.status === 503) this.#outgoingOf(set).push(...ids);
  }

  /** What the coordinator gave; null for any other answer. The first refusal in a row is said. */
  #take<T>(answer: LabelAnswer<T>): T | null {
    const wasRefused = this.#isRefused;
    this.#isRefused = answer.type === 'refused' || answer.type === 'away';
    if (answer.type === 'given') return answer.value;
    // 409: it has other rows of some samples, and has taken the rest; which are right is not for this worker to say.
    if (answer.type === 'refused' && answer.status === 409) {
      this.#isRefused = false;
      if (!this.#isOther) this.#options.warn(`labels: the coordinator has others than this worker: ${answer.reason}`);
      this.#isOther = true;
      return null;
    }
    // 404: the coordinator is at another run already, or keeps no labels of this one. 503: it has too many to take.
    if (answer.type === 'refused' && answer.status !== 404 && answer.status !== 503 && !wasRefused)
      this.#options.warn(`labels: the coordinator refuses them (${answer.status}); they are kept on this machine`);
    return null;
  }

  #setAt(set: number): LabelSet {
    const found = this.#options.labelBlocks.sets[set];
    if (found === undefined) throw new RangeError(`label set ${set}`);
    return found;
  }

  #outgoingOf(set: number): number[] {
    const found = this.#outgoing[set];
    if (found === undefined) throw new RangeError(`label set ${set}`);
    return found;
  }
}
