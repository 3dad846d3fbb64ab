/** How a classifier answered, as pictures (SVG): accuracy by class, confusion, reliability. Pure. */
import { wilsonInterval } from '../../shared/figures/statistics.js';
import type { ClassDetails } from '../../shared/figures/class-details.js';
import { percent } from '../../shared/figures/figures.js';
import { escaped } from './html.js';

const side = 480;
const edge = { left: 90, top: 10, bottom: 40 };
/** Counts are written into cells, and names beside them, where there is room for them. */
const [mostCounts, mostNames, longestName] = [20, 50, 14];

/** @param names the classes' names by their numbers; empty where nothing tells them */
export function classPictures(details: ClassDetails, names: readonly string[], title: string): string {
  const nameOf = (k: number): string => names[k] ?? String(k);
  return [
    figure(`Accuracy by class${title}`, accuracyBars(details, nameOf)),
    figure(`Confusion: rows are labels, columns predictions${title}`, confusionMap(details, nameOf)),
    figure(`Reliability: share that is right by confidence${title}`, reliabilityDiagram(details)),
  ].join('');
}

function figure(title: string, picture: string): string {
  return `<figure><h3>${escaped(title)}</h3>${picture}</figure>`;
}

function svg(width: number, height: number, content: readonly string[]): string {
  return `<svg viewBox="0 0 ${width} ${height}" role="img">${content.join('')}</svg>`;
}

/** A bar for each class, and the interval of its accuracy at 95 % as a line across its end. */
function accuracyBars({ perClass }: ClassDetails, nameOf: (k: number) => string): string {
  const row = Math.max(8, Math.min(24, side / perClass.length));
  const width = side - edge.left;
  const bars = perClass.flatMap(({ samples, accuracy }, k) => {
    const y = edge.top + k * row;
    const name = perClass.length <= mostNames ? rowName(nameOf(k), y + row / 2) : '';
    if (accuracy === null) return [name];
    const { low, high } = wilsonInterval(Math.round(accuracy * samples), samples);
    const said = `${nameOf(k)}: ${percent(accuracy)} of ${samples} (95 %: ${percent(low)} to ${percent(high)})`;
    return [
      name,
      `<rect class="bar" x="${edge.left}" y="${short(y + 1)}" width="${short(accuracy * width)}" height="${short(row - 2)}"><title>${escaped(said)}</title></rect>`,
      `<line class="spread" x1="${short(edge.left + low * width)}" x2="${short(edge.left + high * width)}" y1="${short(y + row / 2)}" y2="${short(y + row / 2)}"/>`,
    ];
  });
  const bottom = edge.top + perClass.length * row;
  return svg(side + 20, bottom + edge.bottom, [...bars, ...shareAxis(bottom, width)]);
}

/** A cell for each pair that occurs, the darker the larger its share of the label's samples. */
function confusionMap({ confusion, perClass }: ClassDetails, nameOf: (k: number) => string): string {
  const classes = confusion.length;
  const cell = (side - edge.left) / classes;
  const cells = confusion.flatMap((row, label) =>
    row.flatMap((count, taken) => {
      if (count === 0) return [];
      const [x, y] = [edge.left + taken * cell, edge.top + label * cell];
      const share = count / (perClass[label]?.samples ?? count);
      const said = `${nameOf(label)} taken for ${nameOf(taken)}: ${count} (${percent(share)})`;
      const text =
        classes > mostCounts
          ? ''
          : `<text class="${share > 0.5 ? 'on' : 'off'}" x="${short(x + cell / 2)}" y="${short(y + cell / 2 + 4)}" text-anchor="middle">${count}</text>`;
      return [
        `<rect class="${label === taken ? 'right' : 'wrong'}" x="${short(x)}" y="${short(y)}" width="${short(cell)}" height="${short(cell)}" fill-opacity="${short(0.08 + 0.92 * share, 100)}"><title>${escaped(said)}</title></rect>${text}`,
      ];
    }),
  );
  const isNamed = classes <= mostNames;
  const rows = isNamed ? confusion.map((_, k) => rowName(nameOf(k), edge.top + (k + 0.5) * cell)) : [];
  const columns =
    classes <= mostCounts
      ? confusion.map((_, k) => columnName(nameOf(k), edge.left + (k + 0.5) * cell, edge.top + classes * cell))
      : [];
  const frame = `<rect class="frame" x="${edge.left}" y="${edge.top}" width="${side - edge.left}" height="${side - edge.left}"/>`;
  return svg(side + 20, edge.top + side - edge.left + 2 * edge.bottom, [...cells, frame, ...rows, ...columns]);
}

/** Bars of what is right at each confidence; on the dashed line confidence would be what it says. */
function reliabilityDiagram({ reliability }: ClassDetails): string {
  const size = side - edge.left;
  const bottom = edge.top + size;
  const bars = reliability.map(({ from, to, samples, confidence, accuracy }) => {
    const said = `${counted(samples)} at a mean confidence of ${percent(confidence)}: ${percent(accuracy)} right`;
    return (
      `<rect class="bar" x="${short(edge.left + from * size)}" y="${short(bottom - accuracy * size)}" width="${short((to - from) * size - 1)}" height="${short(accuracy * size)}"><title>${escaped(said)}</title></rect>` +
      `<circle class="spread" cx="${short(edge.left + confidence * size)}" cy="${short(bottom - accuracy * size)}" r="3"/>`
    );
  });
  const diagonal = `<line class="grid dashed" x1="${edge.left}" y1="${bottom}" x2="${side}" y2="${edge.top}"/>`;
  const up = [0, 0.5, 1].map(
    (share) =>
      `<text x="${edge.left - 6}" y="${short(bottom - share * size + 4)}" text-anchor="end">${share * 100} %</text>`,
  );
  return svg(side + 20, bottom + edge.bottom, [...bars, diagonal, ...up, ...shareAxis(bottom, size)]);
}

function counted(samples: number): string {
  return samples === 1 ? '1 sample' : `${samples} samples`;
}

function shareAxis(bottom: number, width: number): string[] {
  return [0, 0.25, 0.5, 0.75, 1].map(
    (share) =>
      `<text x="${short(edge.left + share * width)}" y="${short(bottom + 16)}" text-anchor="middle">${share * 100} %</text>`,
  );
}

function rowName(name: string, y: number): string {
  return `<text x="${edge.left - 6}" y="${short(y + 4)}" text-anchor="end">${escaped(shortened(name))}</text>`;
}

function columnName(name: string, x: number, y: number): string {
  return `<text transform="translate(${short(x)},${short(y + 14)}) rotate(45)">${escaped(shortened(name))}</text>`;
}

function shortened(name: string): string {
  return name.length > longestName ? `${name.slice(0, longestName - 1)}…` : name;
}

function short(value: number, places = 10): string {
  return String(Math.round(value * places) / places);
}
