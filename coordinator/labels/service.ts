/**
 * The run's labels at the coordinator: rows that workers made come in, are put into their blocks and kept on the disk;
 * whoever lacks a block gets it. The requests are those of shared/protocol/label-messages.ts.
 *
 * Nothing is taken in before length and kind are known to be right, and no row changes once it is there.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ProtocolError } from '../../shared/errors.js';
import type { LabelHome } from '../../shared/labels/home.js';
import { areKept, labelSets, precisionOf, type LabelSet, type LabelSource } from '../../shared/labels/sets.js';
import { openShelf, type LabelShelf } from '../../shared/labels/shelf.js';
import { errorBound, widthOf } from '../../shared/labels/precision.js';
import {
  contentDigest,
  decodeRows,
  digestHeader,
  labelLimits,
  leaseRequestSchema,
  longestRowsMessage,
  parseLabelPath,
  workerHeader,
  type LabelCounts,
  type LabelLease,
} from '../../shared/protocol/label-messages.js';
import { answer } from '../server/artifacts.js';
import { labelRun, LabelWork } from './work.js';
import type { PreparedRun } from '../plan/prepared-run.js';

export interface LabelDeskOptions {
  readonly run: PreparedRun;
  readonly home: LabelHome;
  readonly warn: (line: string) => void;
  /** A disk or a bug that fails while blocks are written behind the answers. */
  readonly onError: (error: unknown) => void;
}

const memoryBytes = 512 * 1024 * 1024;
/** Bytes of messages that are being read, of all peers together. */
const arrivingBytes = 32 * 1024 * 1024;
const idleMs = 20_000;
/** How long workers that only label are given to ask again, and hear that the run is over. */
const goodbyeMs = 1000;
/** Longer than workers gather new rows for. */
const settleMs = 300;

export class LabelDesk {
  readonly #shelf: LabelShelf;
  readonly #options: LabelDeskOptions;
  #arriving = 0;
  /** When labels came last. */
  #heardMs = -Infinity;
  #work: Promise<LabelWork> | null = null;
  /** Workers that only label, but for those that were told that all is done. */
  readonly #labellers = new Set<string>();
  #isOver = false;
  #saving: Promise<void> = Promise.resolve();

  private constructor(shelf: LabelShelf, options: LabelDeskOptions) {
    this.#shelf = shelf;
    this.#options = options;
  }

  /** Null where the run keeps no labels. */
  static open(options: LabelDeskOptions): LabelDesk | null {
    if (!areKept(options.run.recipe)) return null;
    const shelf = openShelf(options.run, { home: options.home, memoryBytes, warn: options.warn });
    return shelf === null ? null : new LabelDesk(shelf, options);
  }

  /** Samples, each view of them apart, whose labels are all there, about: of a view, the fewest of any set. */
  async kept(): Promise<{ kept: number; samples: number; views: number }> {
    const byView = new Map<number, number>();
    for (const [set, { view }] of this.#shelf.sets.entries()) {
      const sum = (await this.#shelf.counts(set)).reduce((total, count) => total + count, 0);
      byView.set(view, Math.min(byView.get(view) ?? Infinity, sum));
    }
    return {
      kept: [...byView.values()].reduce((total, sum) => total + sum, 0),
      samples: byView.size * this.#shelf.plan.samples,
      views: byView.size,
    };
  }

  /** What a run says of its labels at its start: what rounding may do, and what need not be computed. */
  async lines(): Promise<string[]> {
    const { kept, samples, views } = await this.kept();
    const ofViews = views === 1 ? '' : ` (${views} views of ${samples / views} samples)`;
    return [
      ...roundingLines(this.#options.run),
      ...(kept === 0 ? [] : [`labels: ${kept} of ${samples}${ofViews} read from the cache`]),
    ];
  }

  /** Answers the request. @returns false when it is not for labels */
  async serve(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const path = parseLabelPath(request.url ?? '');
    if (path === null) return false;
    if (path.type === 'run')
      return request.method === 'GET' && sendJson(request, response, labelRun(this.#options.run));
    if (path.type === 'lease') return request.method === 'POST' && this.#sendLease(request, response);
    const set = this.#shelf.sets.findIndex(({ key }) => key === path.key);
    if (set < 0) return refuse(request, response, 404, 'no such label set in this run');
    if (request.method === 'PUT' && path.type === 'set') return this.#take(request, response, set);
    if (request.method !== 'GET') return refuse(request, response, 405, 'GET, and PUT for a set');
    request.resume();
    return path.type === 'set' ? this.#sendCounts(request, response, set) : this.#sendBlock(response, set, path.block);
  }

  /**
   * Nothing more is wanted of workers that only label: the run goes on without one of these teachers, or is at its end.
   */
  endLeases(): void {
    this.#isOver = true;
  }

  /** Waits a moment for the labels that workers have made and not sent yet. */
  async settle(): Promise<void> {
    this.endLeases();
    const deadlineMs = performance.now() + goodbyeMs;
    while (this.#labellers.size > 0 && performance.now() < deadlineMs)
      await new Promise((resolve) => setTimeout(resolve, 20));
    while (performance.now() - this.#heardMs < settleMs) {
      const { kept, samples } = await this.kept();
      if (kept === samples) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Writes what is new. */
  async close(): Promise<void> {
    await this.#saving;
    await this.#shelf.save();
  }

  /**
   * All labels, [samples x classes] of each block of a set, in the order of the samples; null where some are missing.
   */
  async *values(set: number): AsyncGenerator<Float32Array | null> {
    const classes = widthOf(this.#setAt(set).form);
    for (const number of this.#shelf.plan.blocks.keys()) {
      const block = await this.#shelf.open(set, number);
      const out = new Float32Array(block.rows * classes);
      if (block.isComplete) for (let row = 0; row < block.rows; row++) block.read(row, out, row * classes);
      yield block.isComplete ? out : null;
    }
  }

  get sets(): readonly LabelSet[] {
    return this.#shelf.sets;
  }

  /** Whether every label of the run is there. */
  async isDone(): Promise<boolean> {
    return (await this.#openWork()).isDone;
  }

  #openWork(): Promise<LabelWork> {
    this.#work ??= LabelWork.open(this.#shelf, (position) => this.#options.run.sampleAt(0, position));
    return this.#work;
  }

  async #sendLease(request: IncomingMessage, response: ServerResponse): Promise<true> {
    const length = Number(request.headers['content-length'] ?? Number.NaN);
    if (!Number.isInteger(length) || length > labelLimits.leaseRequestBytes)
      return refuse(request, response, 413, 'a short body was wanted');
    const bytes = await readBody(request, length);
    if (bytes === null) return true;
    const asked = leaseRequestSchema.safeParse(parseJson(bytes)).data;
    if (asked === undefined) return answer(response, 400, 'the name of a worker was wanted');
    this.#labellers.add(asked.worker);
    const lease: LabelLease = this.#isOver
      ? { type: 'done' }
      : (await this.#openWork()).lease(asked.worker, performance.now());
    if (lease.type === 'done') this.#labellers.delete(asked.worker);
    return sendJson(request, response, lease);
  }

  async #sendCounts(request: IncomingMessage, response: ServerResponse, set: number): Promise<true> {
    const counts: LabelCounts = { counts: await this.#shelf.counts(set) };
    return sendJson(request, response, counts);
  }

  async #sendBlock(response: ServerResponse, set: number, block: number): Promise<true> {
    if (block >= this.#shelf.plan.blocks.length) return answer(response, 404, 'no such label block');
    // A copy: rows may be added while it is on its way.
    const bytes = (await this.#shelf.open(set, block)).bytes.slice();
    response
      .writeHead(200, {
        'content-type': 'application/octet-stream',
        'content-length': bytes.length,
        [digestHeader]: contentDigest(bytes),
      })
      .end(bytes);
    return true;
  }

  async #take(request: IncomingMessage, response: ServerResponse, set: number): Promise<true> {
    const spec = this.#setAt(set);
    const length = Number(request.headers['content-length'] ?? Number.NaN);
    const limit = longestRowsMessage(spec.codec.rowBytes);
    if (!Number.isInteger(length)) return refuse(request, response, 411, 'a content-length was wanted');
    if (length > limit) return refuse(request, response, 413, `${length} bytes; at most ${limit} were wanted`);
    if (this.#arriving + length > arrivingBytes)
      return refuse(request, response, 503, 'too many labels at once; try again');
    this.#arriving += length;
    try {
      const bytes = await readBody(request, length);
      if (bytes === null) return true;
      if (request.headers[digestHeader] !== contentDigest(bytes))
        return answer(response, 400, 'the bytes have another content-digest');
      await this.#add(set, spec, bytes);
      this.#heardMs = performance.now();
      const worker = request.headers[workerHeader];
      if (typeof worker === 'string') (await this.#openWork()).heard(worker, this.#heardMs);
      response.writeHead(204).end();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return answer(response, 422, error.message);
    } finally {
      this.#arriving -= length;
    }
    return true;
  }

  /** Complete blocks go to the disk at once; what is left over, at the end. */
  async #add(set: number, spec: LabelSet, bytes: Uint8Array): Promise<void> {
    const { plan } = this.#shelf;
    const { ids, row } = decodeRows(bytes, spec.codec.rowBytes, plan.samples);
    for (const [i, id] of ids.entries()) {
      const number = plan.locate(id);
      const block = this.#shelf.at(set, number) ?? (await this.#shelf.open(set, number));
      const wasComplete = block.isComplete;
      if (!block.addBytes(id - (plan.blocks[number]?.first ?? 0), row(i)))
        throw new ProtocolError(`the label of sample ${id} is not a number`);
      if (block.isComplete && !wasComplete) this.#onComplete(set, number);
    }
  }

  #onComplete(set: number, block: number): void {
    const completed = async (): Promise<void> => (await this.#openWork()).completed(set, block);
    completed().catch((error: unknown) => this.#options.onError(error));
    this.#saving = this.#saving
      .then(() => this.#shelf.saveBlock(set, block))
      .catch((error: unknown) => this.#options.onError(error));
  }

  #setAt(set: number): LabelSet {
    const spec = this.#shelf.sets[set];
    if (spec === undefined) throw new RangeError(`label set ${set}`);
    return spec;
  }
}

function roundingLines(source: LabelSource): string[] {
  const [set] = labelSets(source);
  const precision = precisionOf(source.recipe.labels);
  return set === undefined || precision.name === 'float32' ? [] : [`labels: ${errorBound(precision, set.form)}`];
}

function sendJson(request: IncomingMessage, response: ServerResponse, value: unknown): true {
  request.resume();
  const body = JSON.stringify(value);
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body);
  return true;
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}

/** The body may be endless: the connection ends with the answer. */
function refuse(request: IncomingMessage, response: ServerResponse, status: number, error: string): true {
  response.setHeader('connection', 'close');
  response.once('finish', () => request.destroy());
  return answer(response, status, error);
}

/** Exactly `length` bytes; null when the peer goes away or falls silent first. */
async function readBody(request: IncomingMessage, length: number): Promise<Uint8Array | null> {
  const bytes = new Uint8Array(length);
  let at = 0;
  request.setTimeout(idleMs, () => request.destroy());
  try {
    for await (const piece of request) {
      if (!(piece instanceof Uint8Array) || at + piece.length > length) return null;
      bytes.set(piece, at);
      at += piece.length;
    }
  } catch (error) {
    if (request.destroyed) return null;
    throw error;
  }
  return at === length ? bytes : null;
}
