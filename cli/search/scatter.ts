/** Points as a picture (SVG): an axis of numbers or of names across, one of numbers upwards. All text is escaped. Pure. */
import { escaped, short, spanOf, ticks } from '../../coordinator/report/html.js';
import { mustAt } from '../../shared/must.js';

export interface Dot {
  readonly x: number;
  readonly y: number;
  /** What is said of it where a pointer rests on it. */
  readonly title: string;
  readonly kind: 'done' | 'halved' | 'best';
}

export interface Scatter {
  readonly title: string;
  readonly dots: readonly Dot[];
  /** Places and texts of the axis across; null: round numbers. */
  readonly across: readonly (readonly [x: number, text: string])[] | null;
  /** A line through these points, which are in the order of x. */
  readonly line?: readonly (readonly [x: number, y: number])[];
  /** Writes a value at the axis upwards. */
  readonly text: (value: number) => string;
}

const [width, height] = [560, 260];
const edge = { left: 70, right: 16, top: 12, bottom: 28 };
const classes = { done: 'c0', halved: 'c7', best: 'c1 best' } as const;

/** A figure with a heading; a paragraph where there is nothing to draw. */
export function scatter({ title, dots, across, line = [], text }: Scatter): string {
  const heading = `<h3>${escaped(title)}</h3>`;
  if (dots.length === 0) return `<figure>${heading}<p>No trial came to a figure.</p></figure>`;
  const xs = spanOf([...dots.map(({ x }) => x), ...(across ?? []).map(([x]) => x)]);
  const ys = spanOf(dots.map(({ y }) => y));
  const right = (x: number): string =>
    short(edge.left + ((x - xs.from) / (xs.to - xs.from)) * (width - edge.left - edge.right));
  const up = (y: number): string =>
    short(height - edge.bottom - ((y - ys.from) / (ys.to - ys.from)) * (height - edge.top - edge.bottom));
  const grid = ticks(ys).map(
    (y) =>
      `<line class="grid" x1="${edge.left}" x2="${width - edge.right}" y1="${up(y)}" y2="${up(y)}"/>` +
      `<text x="${edge.left - 8}" y="${up(y)}" dy="4" text-anchor="end">${escaped(text(y))}</text>`,
  );
  const marks = (across ?? ticks(xs).map((x) => [x, String(x)] as const)).map(
    ([x, name]) => `<text x="${right(x)}" y="${height - 8}" text-anchor="middle">${escaped(name)}</text>`,
  );
  const places = line.map(([x, y]) => `${right(x)},${up(y)}`).join(' ');
  const drawn = dots.map(
    ({ x, y, title: said, kind }) =>
      `<circle class="${classes[kind]}" cx="${right(x)}" cy="${up(y)}" r="${kind === 'best' ? 5 : 3.5}"><title>${escaped(said)}</title></circle>`,
  );
  return (
    `<figure>${heading}<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)}">` +
    `${grid.join('')}${marks.join('')}${line.length > 1 ? `<polyline class="line c1" points="${places}"/>` : ''}${drawn.join('')}</svg></figure>`
  );
}

/** Marks of an axis whose coordinate, from 0 to 1, stands for values: both ends and three between, as texts. */
export function marksAt(texts: readonly string[]): (readonly [x: number, text: string])[] {
  return texts.map((_, i) => [i / (texts.length - 1), mustAt(texts, i, 'mark')]);
}
