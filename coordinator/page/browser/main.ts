/** The page: it follows the run's stream and shows what comes. It asks the coordinator for nothing but to be told. */
import { Chart, type Line } from './charts.js';
import { byId, setText } from './dom.js';
import type { PageEvent } from './events.js';
import { seriesNames, type CurvePart, type PageRun, type PageStatus } from './messages.js';
import { PastView } from './past-view.js';
import { RunView } from './run-view.js';
import { addPart, type HeldSeries } from './series.js';
import { Session, type LinkState } from './session.js';
import { figureText, wholeText } from './texts.js';
import { TreeView } from './tree-view.js';
import { WorkersView } from './workers-view.js';

/** How often the runs beside this one are looked at, in milliseconds. */
const lookMs = 60_000;

class Page {
  readonly #session = new Session({
    onEvent: (event) => this.#onEvent(event),
    onState: (state, text) => this.#onState(state, text),
  });
  readonly #run = new RunView();
  readonly #workers = new WorkersView();
  readonly #tree = new TreeView();
  readonly #past = new PastView(() => this.#drawSoon());
  readonly #loss = new Chart({ place: 'loss-chart', text: (value) => String(Number(value.toPrecision(4))) });
  readonly #figure = new Chart({
    place: 'figure-chart',
    text: (value) => figureText(this.#status?.figure ?? null, value),
  });
  readonly #rate = new Chart({ place: 'rate-chart', text: wholeText });
  readonly #curves = new Map<string, HeldSeries>();
  #width = 1;
  #about: PageRun | null = null;
  #status: PageStatus | null = null;
  #isDrawing = false;
  #isOver = false;

  start(): void {
    const form = byId('login') as HTMLFormElement;
    const field = byId('token') as HTMLInputElement;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#session.useToken(field.value);
      field.value = '';
    });
    const log = byId('logarithmic') as HTMLInputElement;
    log.addEventListener('change', () => this.#loss.setLogarithmic(log.checked));
    setInterval(() => void this.#look(), lookMs);
    this.#session.restart();
  }

  #onState(state: LinkState, text: string): void {
    document.body.dataset.link = state;
    byId('login').hidden = state !== 'refused';
    if (state === 'refused') {
      setText(byId('refusal'), text === '' ? 'A token of role viewer or admin is wanted.' : text);
      byId('token').focus();
    }
    setText(byId('link'), state === 'lost' || state === 'over' ? text : '');
  }

  #onEvent(event: PageEvent): void {
    switch (event.name) {
      case 'run':
        return this.#begin(event.value);
      case 'status':
        return this.#showStatus(event.value);
      case 'workers':
        return this.#workers.show(event.value);
      case 'curves':
        return this.#addCurves(event.value);
      case 'notes':
        return this.#run.addNotes(event.value);
      case 'end':
        this.#isOver = true;
        this.#run.setState(event.value.state === 'ended' ? 'ended' : 'done');
        return setText(byId('link'), event.value.text);
      case 'refused':
        return;
    }
  }

  /** A stream begins with what it is of, and with everything that is kept. */
  #begin(about: PageRun): void {
    const isOther = this.#about?.run !== about.run || this.#about.generation !== about.generation;
    this.#about = about;
    this.#isOver = false;
    this.#curves.clear();
    this.#run.reset(about);
    if (isOther) this.#workers.reset(about.batch.micro);
    byId('run').hidden = false;
    void this.#look();
  }

  #showStatus(status: PageStatus): void {
    this.#status = status;
    if (!this.#isOver) this.#run.setState(status.state);
    this.#run.showStatus(status);
    this.#tree.show(status.unit);
    setText(byId('figure-title'), status.figure ?? 'evaluation');
  }

  #addCurves(part: CurvePart): void {
    this.#width = part.width;
    addPart(this.#curves, part);
    this.#drawSoon();
  }

  async #look(): Promise<void> {
    // Nobody answers behind the end.
    if (this.#isOver) return;
    const runs = await this.#session.runs();
    if (runs !== null) this.#past.show(runs, this.#about?.folder ?? '', this.#status?.figure ?? null);
  }

  #drawSoon(): void {
    if (this.#isDrawing) return;
    this.#isDrawing = true;
    requestAnimationFrame(() => {
      this.#isDrawing = false;
      this.#draw();
    });
  }

  #draw(): void {
    const terms = [...this.#curves.keys()].filter((name) => name.startsWith(seriesNames.term('')));
    this.#loss.draw([
      ...this.#lines(seriesNames.loss, 0, 'loss', true),
      ...(terms.length < 2 ? [] : terms.flatMap((name, i) => this.#lines(name, i + 1, weighted(name)))),
      ...this.#past.chosen.map(({ folder, epochs }, i) => pastLine(folder, i, epochs, 'loss')),
    ]);
    const end = (this.#curves.get(seriesNames.loss)?.mean.length ?? 0) * this.#width;
    const references = this.#status?.references ?? [];
    this.#figure.draw([
      ...this.#lines(seriesNames.value, 0, 'student'),
      ...this.#lines(seriesNames.training, 1, seriesNames.training),
      ...references.map(({ name, value }, i): Line => ({
        ...{ label: name, xs: [0, end], ys: [value, value], color: i + 2, dash: [4, 4] },
      })),
      ...this.#past.chosen.map(({ folder, epochs }, i) => pastLine(folder, i, epochs, 'value')),
    ]);
    this.#rate.draw(this.#lines(seriesNames.rate, 0, 'samples/s', true));
  }

  /** The line of a series over the middles of its buckets; none where it has no value. */
  #lines(name: string, color: number, label: string, hasBand = false): Line[] {
    const series = this.#curves.get(name);
    if (series === undefined) return [];
    const { min, max, mean } = series;
    const xs = mean.map((_, i) => i * this.#width + (this.#width - 1) / 2 + 1);
    return [{ label, xs, ys: mean, color, ...(hasBand && this.#width > 1 ? { band: { min, max } } : {}) }];
  }
}

function weighted(series: string): string {
  return `${series.slice(seriesNames.term('').length)}, weighted`;
}

function pastLine(
  folder: string,
  index: number,
  epochs: readonly { readonly step: number; readonly loss: number; readonly value: number | null }[],
  key: 'loss' | 'value',
): Line {
  const [xs, ys] = [epochs.map(({ step }) => step), epochs.map((epoch) => epoch[key])];
  return { label: folder, xs, ys, color: 7 - index, dash: [8, 4] };
}

new Page().start();
