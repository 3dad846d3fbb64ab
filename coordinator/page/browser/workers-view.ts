/** The table of workers, in the order that its reader asks for. Who has left stays a while, as gone. */
import type { WorkerStatus } from '../../watch/run-status.js';
import { byId, setRows, setText } from './dom.js';
import { bytesText, wholeText } from './texts.js';

interface Column {
  readonly name: string;
  readonly text: (worker: ShownWorker, microBatch: number) => string;
  /** What the column is ordered by; more first for numbers. */
  readonly key: (worker: ShownWorker) => number | string;
}

interface ShownWorker extends Omit<WorkerStatus, 'state'> {
  readonly state: WorkerStatus['state'] | 'gone';
}

const columns: readonly Column[] = [
  { name: 'worker', text: ({ worker }) => worker, key: ({ worker }) => Number(/\d+/.exec(worker)?.[0] ?? 0) },
  { name: 'state', text: ({ state }) => state, key: ({ state }) => state },
  { name: 'host', text: ({ host, pid }) => `${host} ${pid}`, key: ({ host, pid }) => `${host} ${pid}` },
  { name: 'device', text: ({ device }) => device, key: ({ device }) => device },
  {
    name: 'samples/s',
    text: (worker, microBatch) =>
      worker.microBatchMs === null || worker.microBatchMs === 0
        ? '–'
        : wholeText((microBatch * 1000) / worker.microBatchMs),
    key: ({ microBatchMs }) => -(microBatchMs ?? Infinity),
  },
  { name: 'samples', text: ({ samples }) => wholeText(samples), key: ({ samples }) => samples },
  {
    name: 'heard',
    text: ({ silentMs, state }) => (state === 'gone' ? '–' : `${(silentMs / 1000).toFixed(1)} s ago`),
    key: ({ silentMs }) => silentMs,
  },
  { name: 'queued', text: ({ queuedBytes }) => bytesText(queuedBytes), key: ({ queuedBytes }) => queuedBytes },
  { name: 'lease', text: ({ lease }) => lease ?? '–', key: ({ lease }) => lease ?? '' },
];

/** Workers that have left and are still shown: the last of them. */
const mostGone = 8;

export class WorkersView {
  readonly #body = byId('workers-body');
  readonly #caption = byId('workers-caption');
  readonly #heads = columns.map(({ name }, i) => this.#head(name, i));
  #here: readonly WorkerStatus[] = [];
  #gone: readonly ShownWorker[] = [];
  #microBatch = 0;
  #by = 0;
  #isTurned = false;

  constructor() {
    byId('workers-head').replaceChildren(...this.#heads);
    this.#mark();
  }

  /** Forgets who has left: another run, or another coordinator, has begun. */
  reset(microBatch: number): void {
    this.#microBatch = microBatch;
    this.#here = [];
    this.#gone = [];
    this.#draw();
  }

  show(workers: readonly WorkerStatus[]): void {
    const names = new Set(workers.map(({ worker }) => worker));
    const left = this.#here.filter(({ worker }) => !names.has(worker));
    const gone = left.map((worker): ShownWorker => ({ ...worker, state: 'gone', lease: null, queuedBytes: 0 }));
    this.#gone = [...this.#gone, ...gone].slice(-mostGone);
    this.#here = workers;
    this.#draw();
  }

  #draw(): void {
    const column = columns[this.#by];
    const shown: ShownWorker[] = [...this.#here, ...this.#gone];
    if (column !== undefined) shown.sort((a, b) => compare(column.key(a), column.key(b)) * (this.#isTurned ? -1 : 1));
    setRows(
      this.#body,
      shown.map((worker) => columns.map(({ text }) => text(worker, this.#microBatch))),
    );
    shown.forEach(({ state }, i) => {
      const row = this.#body.children[i];
      if (row !== undefined && row.className !== state) row.className = state;
    });
    const computing = this.#here.filter(({ state }) => state === 'computing').length;
    setText(this.#caption, `${this.#here.length} here, ${computing} computing`);
  }

  #head(name: string, index: number): HTMLElement {
    const head = document.createElement('th');
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = name;
    button.addEventListener('click', () => {
      this.#isTurned = this.#by === index && !this.#isTurned;
      this.#by = index;
      this.#mark();
      this.#draw();
    });
    head.scope = 'col';
    head.append(button);
    return head;
  }

  #mark(): void {
    this.#heads.forEach((head, i) =>
      head.setAttribute('aria-sort', i !== this.#by ? 'none' : this.#isTurned ? 'descending' : 'ascending'),
    );
  }
}

function compare(a: number | string, b: number | string): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return String(a) < String(b) ? -1 : 1;
}
