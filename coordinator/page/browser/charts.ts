/** A chart of lines over training steps, in the colours of the page, as wide as its place. */
import { byId } from './dom.js';

export interface Line {
  readonly label: string;
  readonly xs: readonly number[];
  readonly ys: readonly (number | null)[];
  /** Number of its colour. */
  readonly color: number;
  readonly dash?: readonly number[];
  /** The least and greatest values around it, drawn as a band. */
  readonly band?: { readonly min: readonly (number | null)[]; readonly max: readonly (number | null)[] };
}

export interface ChartOptions {
  /** The element that it is drawn in. */
  readonly place: string;
  readonly text: (value: number) => string;
}

/** How many colours the page has. */
export const colors = 8;
const height = 240;
// uPlot's enumeration of scales exists for the compiler alone; 3 is the logarithmic one.
// eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment
const logarithmic: uPlot.Scale = { distr: 3 };

export class Chart {
  readonly #place: HTMLElement;
  readonly #options: ChartOptions;
  #plot: uPlot | null = null;
  /** What the plot was made for: it is made anew for other lines or colours, else only given other data. */
  #madeFor = '';
  #lines: readonly Line[] = [];
  #isLogarithmic = false;

  constructor(options: ChartOptions) {
    this.#options = options;
    this.#place = byId(options.place);
    new ResizeObserver(() => this.#plot?.setSize({ width: this.#width, height })).observe(this.#place);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      this.#madeFor = '';
      this.draw(this.#lines);
    });
  }

  setLogarithmic(isLogarithmic: boolean): void {
    this.#isLogarithmic = isLogarithmic;
    this.draw(this.#lines);
  }

  draw(lines: readonly Line[]): void {
    this.#lines = lines;
    const data = this.#dataOf(lines);
    const key = JSON.stringify([
      lines.map(({ label, color, band }) => [label, color, band !== undefined]),
      this.#isLogarithmic,
    ]);
    if (this.#plot === null || key !== this.#madeFor) {
      this.#plot?.destroy();
      this.#plot = new uPlot(this.#optionsFor(lines), data, this.#place);
      this.#madeFor = key;
    } else this.#plot.setData(data);
    const last = lines.map(({ label, ys }) => `${label} ${this.#textOf(ys.findLast((y) => y !== null) ?? null)}`);
    this.#place.setAttribute('aria-label', last.join(', ') || 'nothing yet');
  }

  get #width(): number {
    return Math.max(240, this.#place.clientWidth);
  }

  #textOf(value: number | null | undefined): string {
    return value === null || value === undefined ? '–' : this.#options.text(value);
  }

  /** Lines with their bands, over the steps of all of them. */
  #dataOf(lines: readonly Line[]): uPlot.AlignedData {
    // A logarithm has no place for 0.
    const drawable = (ys: readonly (number | null)[]): (number | null)[] =>
      ys.map((y) => (y !== null && this.#isLogarithmic && y <= 0 ? null : y));
    const tables = lines.map(({ xs, ys, band }): uPlot.AlignedData => {
      const bands = band === undefined ? [] : [drawable(band.max), drawable(band.min)];
      return [[...xs], drawable(ys), ...bands];
    });
    return tables.length === 0 ? [[]] : uPlot.join(tables);
  }

  #optionsFor(lines: readonly Line[]): uPlot.Options {
    const color = colorsOf(document.documentElement);
    const axis = { stroke: color('--muted'), grid: { stroke: color('--rule'), width: 1 }, ticks: { show: false } };
    const series: uPlot.Series[] = [{ label: 'step', value: (_plot, x: number | null) => String(x ?? '–') }];
    const bands: uPlot.Band[] = [];
    for (const { label, color: index, dash = [], band } of lines) {
      const stroke = color(`--line-${index % colors}`);
      series.push({
        ...{ label, stroke, width: 1.5, dash: [...dash], spanGaps: true },
        points: {
          show: (plot, i) => [...(plot.data[i] ?? [])].filter((y) => typeof y === 'number').length < 30,
          size: 5,
        },
        value: (_plot, y: number | null) => this.#textOf(y),
      });
      if (band === undefined) continue;
      const hidden: uPlot.Series = {
        show: true,
        stroke: 'transparent',
        points: { show: false },
        spanGaps: true,
        class: 'edge',
      };
      series.push(hidden, hidden);
      bands.push({ series: [series.length - 2, series.length - 1], fill: faded(stroke) });
    }
    return {
      ...{ width: this.#width, height, series, bands },
      cursor: { sync: { key: 'steps' }, points: { size: 6 } },
      legend: { live: true },
      scales: { x: { time: false }, y: this.#isLogarithmic ? logarithmic : {} },
      axes: [
        axis,
        {
          ...axis,
          size: 64,
          values: (_plot, values) => values.map((y: number | null) => (y === null ? '' : this.#options.text(y))),
        },
      ],
    };
  }
}

function colorsOf(element: Element): (name: string) => string {
  const style = getComputedStyle(element);
  return (name) => style.getPropertyValue(name).trim();
}

/** The colour, nearly transparent. @param hex six digits behind # */
function faded(hex: string): string {
  return `${hex}33`;
}
