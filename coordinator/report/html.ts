/** Text as HTML, and lines as pictures (SVG). All text is escaped. Pure. */

/** What may stand between tags, and in an attribute between double quotes. */
export function escaped(text: string): string {
  const names: Readonly<Record<string, string>> = { '&': 'amp', '<': 'lt', '>': 'gt', '"': 'quot', "'": '#39' };
  return text.replace(/[&<>"']/g, (mark) => `&${names[mark] ?? ''};`);
}

/** A table; numbers stand as they are given. @param head the names of the columns */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const row = (tag: string, cells: readonly string[]): string =>
    `<tr>${cells.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join('')}</tr>`;
  return `<table><thead>${row('th', head)}</thead><tbody>${rows.map((cells) => row('td', cells)).join('')}</tbody></table>`;
}

/** A line of a picture: points with a place for none, which it passes over. */
export interface DrawnLine {
  readonly label: string;
  readonly points: readonly (readonly [x: number, y: number | null])[];
  readonly isDashed?: boolean;
}

const [width, height] = [560, 260];
const edge = { left: 64, right: 12, top: 10, bottom: 28 };

/**
 * Lines over training steps, with their names below; a paragraph where there is nothing to draw.
 * @param text writes a value at the axis
 */
export function chart(title: string, lines: readonly DrawnLine[], text: (value: number) => string): string {
  const all = lines.flatMap(({ points }) => points.flatMap(([x, y]) => (y === null ? [] : [[x, y] as const])));
  const heading = `<h3>${escaped(title)}</h3>`;
  if (all.length === 0) return `<figure>${heading}<p>Nothing was measured.</p></figure>`;
  const [xs, ys] = [spanOf(all.map(([x]) => x)), spanOf(all.map(([, y]) => y))];
  const across = (x: number): number =>
    edge.left + ((x - xs.from) / (xs.to - xs.from)) * (width - edge.left - edge.right);
  const up = (y: number): number =>
    height - edge.bottom - ((y - ys.from) / (ys.to - ys.from)) * (height - edge.top - edge.bottom);
  const grid = ticks(ys).map(
    (y) =>
      `<line class="grid" x1="${edge.left}" x2="${width - edge.right}" y1="${short(up(y))}" y2="${short(up(y))}"/>` +
      `<text x="${edge.left - 6}" y="${short(up(y) + 4)}" text-anchor="end">${escaped(text(y))}</text>`,
  );
  const steps = ticks(xs).map(
    (x) =>
      `<text x="${short(across(x))}" y="${height - 8}" text-anchor="middle">${escaped(String(Math.round(x)))}</text>`,
  );
  const drawn = lines.map(({ points, isDashed = false }, i) => {
    const places = points.flatMap(([x, y]) => (y === null ? [] : [`${short(across(x))},${short(up(y))}`]));
    return `<polyline class="line c${i % 8}${isDashed ? ' dashed' : ''}" points="${places.join(' ')}"/>`;
  });
  const names = lines.map(({ label }, i) => `<span class="key c${i % 8}">${escaped(label)}</span>`);
  return (
    `<figure>${heading}<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)}">` +
    `${grid.join('')}${steps.join('')}${drawn.join('')}</svg><figcaption>${names.join(' ')}</figcaption></figure>`
  );
}

/** The ends of an axis. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** From the least to the greatest; of one value alone, some room around it. */
export function spanOf(values: readonly number[]): Span {
  const from = values.reduce((least, value) => Math.min(least, value), Infinity);
  const to = values.reduce((greatest, value) => Math.max(greatest, value), -Infinity);
  return to > from ? { from, to } : { from: from - 0.5, to: to + 0.5 };
}

/** Round values inside the span: four to ten of them. */
export function ticks({ from, to }: Span): number[] {
  const rough = (to - from) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.ceil(from / step - 1e-9);
  const last = Math.floor(to / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** A place in a picture, to a tenth. */
export function short(value: number): string {
  return String(Math.round(value * 10) / 10);
}
