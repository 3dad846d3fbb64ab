/**
 * Those who have the page open, each a stream of events. Once a second a viewer is told what is new since it was told
 * last. Nothing is kept for one that does not read: what it has missed is told in one piece when it reads again, from
 * where it stood, and one that reads nothing for long is cut off. Without viewers nothing is done at all.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { RunStatus, WorkerStatus } from '../watch/run-status.js';
import { unread, type CurvePosition } from './curves.js';
import type { LiveRun } from './live-run.js';
import type { PageEnd, PageEvents, PageRun, PageStatus } from './browser/messages.js';

export interface ViewersOptions {
  readonly run: PageRun;
  readonly live: Pick<LiveRun, 'curves' | 'noted' | 'notesSince'>;
  readonly status: () => Promise<PageStatus & { readonly here: RunStatus['workers'] }>;
  /** Called with an error that is not a viewer's. */
  readonly onError: (error: unknown) => void;
  /** How often viewers are told, in milliseconds. Default: 1000. */
  readonly everyMs?: number;
  /** How many there may be at a time. Default: 16. */
  readonly most?: number;
  /** How long one may read nothing, in milliseconds. Default: 30,000. */
  readonly patienceMs?: number;
  /** A monotonic clock in milliseconds. Default: the machine's. */
  readonly nowMs?: () => number;
}

/** Workers that are told of each second, in the mean: of more the table is told more seldom. */
const workersASecond = 200;
/** How long the last word may take to reach the viewers, in milliseconds. */
const partingMs = 500;

interface Viewer {
  readonly response: ServerResponse;
  /** Why it may watch no longer; null while it may. */
  readonly mayStay: () => string | null;
  position: CurvePosition;
  notes: number;
  /** When it was told of the workers last, and when it took all that it was told. */
  workersMs: number;
  readMs: number;
}

export class Viewers {
  readonly #options: ViewersOptions;
  readonly #everyMs: number;
  readonly #nowMs: () => number;
  readonly #all = new Set<Viewer>();
  #timer: NodeJS.Timeout | null = null;
  #isTelling = false;
  #isClosed = false;

  constructor(options: ViewersOptions) {
    this.#options = options;
    this.#everyMs = options.everyMs ?? 1000;
    this.#nowMs = options.nowMs ?? (() => performance.now());
  }

  get count(): number {
    return this.#all.size;
  }

  /**
   * Answers a request with the stream.
   * @param mayStay asked again and again: why the viewer's token is good no more, or null while it is
   */
  serve(_request: IncomingMessage, response: ServerResponse, mayStay: () => string | null): void {
    const { most = 16, run, onError } = this.#options;
    if (this.#isClosed || this.#all.size >= most) {
      const error = this.#isClosed ? 'the run is over' : `${most} viewers already; close a page to open another`;
      response.writeHead(503, { 'content-type': 'application/json' }).end(JSON.stringify({ error }));
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' });
    const nowMs = this.#nowMs();
    const viewer = { response, mayStay, position: unread, notes: 0, workersMs: -Infinity, readMs: nowMs };
    this.#all.add(viewer);
    response.once('close', () => this.#forget(viewer));
    response.on('error', () => this.#forget(viewer));
    write(response, 'run', run);
    this.#tell([viewer]).catch(onError);
    this.#timer ??= setInterval(() => void this.#tick(), this.#everyMs).unref();
  }

  /** Gives the viewers the last word, and resolves when it has left, or after a moment. */
  async close(end: PageEnd): Promise<void> {
    await this.#tell([...this.#all]).catch(this.#options.onError);
    this.#isClosed = true;
    const leaving = [...this.#all].map(({ response }) => {
      write(response, 'end', end);
      return new Promise<void>((resolve) => {
        response.once('close', resolve);
        response.end(resolve);
      });
    });
    this.#stop();
    const timeout = new Promise<void>((resolve) => setTimeout(resolve, partingMs).unref());
    await Promise.race([Promise.all(leaving), timeout]);
  }

  async #tick(): Promise<void> {
    // A second that takes longer than a second to tell of is followed by the next but one.
    if (this.#isTelling) return;
    this.#isTelling = true;
    try {
      await this.#tell([...this.#all].filter((viewer) => this.#isReading(viewer)));
    } catch (error) {
      this.#options.onError(error);
    } finally {
      this.#isTelling = false;
    }
  }

  /** Whether the viewer is to be told something now. One whose token has ended, or that reads nothing for long, leaves. */
  #isReading(viewer: Viewer): boolean {
    const { response, mayStay } = viewer;
    const error = mayStay();
    if (error !== null) {
      write(response, 'refused', { error });
      response.end();
      this.#forget(viewer);
      return false;
    }
    const nowMs = this.#nowMs();
    if (!response.writableNeedDrain) {
      viewer.readMs = nowMs;
      return true;
    }
    if (nowMs - viewer.readMs > (this.#options.patienceMs ?? 30_000)) response.destroy();
    return false;
  }

  async #tell(viewers: readonly Viewer[]): Promise<void> {
    if (viewers.length === 0) return;
    const { status, live } = this.#options;
    const { here, ...rest } = await status();
    const [statusText, workersText] = [textOf('status', rest), lazily(() => textOf('workers', here))];
    const nowMs = this.#nowMs();
    for (const viewer of viewers) {
      if (!this.#all.has(viewer)) continue;
      const { response } = viewer;
      response.write(statusText);
      if (nowMs - viewer.workersMs >= this.#workersEveryMs(here)) {
        response.write(workersText());
        viewer.workersMs = nowMs;
      }
      write(response, 'curves', live.curves.since(viewer.position));
      viewer.position = live.curves.position;
      if (live.noted > viewer.notes) write(response, 'notes', live.notesSince(viewer.notes));
      viewer.notes = live.noted;
    }
  }

  #workersEveryMs({ length }: readonly WorkerStatus[]): number {
    return length <= workersASecond ? 0 : (length / workersASecond) * this.#everyMs;
  }

  #forget(viewer: Viewer): void {
    this.#all.delete(viewer);
    if (this.#all.size === 0) this.#stop();
  }

  #stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }
}

function textOf<Name extends keyof PageEvents>(name: Name, value: PageEvents[Name]): string {
  // JSON has no line breaks of its own, so an event is two lines.
  return `event: ${name}\ndata: ${JSON.stringify(value)}\n\n`;
}

function write<Name extends keyof PageEvents>(response: ServerResponse, name: Name, value: PageEvents[Name]): void {
  response.write(textOf(name, value));
}

/** Computed when it is wanted first. */
function lazily(compute: () => string): () => string {
  let value: string | null = null;
  return () => (value ??= compute());
}
