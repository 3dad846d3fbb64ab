/**
 * Draws a part of a trace as an SVG: `node dist/bench/trace-picture.js TRACE.json OUT.svg FIRST-STEP STEPS`. The same trace
 * gives the same picture. Rows are those of ui.perfetto.dev; spans that lie in others are drawn lower.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import type { TraceEvent } from '../coordinator/trace/trace-file.js';

interface Bar {
  readonly name: string;
  readonly startUs: number;
  readonly endUs: number;
  readonly depth: number;
}

interface Row {
  readonly title: string;
  readonly bars: readonly Bar[];
}

const colours: Readonly<Record<string, string>> = {
  load: '#9aa5b1',
  label: '#4e79a7',
  student: '#59a14f',
  evaluate: '#8cd17d',
  reduce: '#b6992d',
  send: '#e15759',
  receive: '#ff9d9a',
  commit: '#79706e',
  fsync: '#d37295',
  apply: '#b07aa1',
  wait: '#e6e6e6',
};
const [left, width, rowHeight, inset, legendHeight] = [170, 780, 22, 5, 24];

/** The spans of every row, each as deep as spans lie around it. */
function rowsOf(events: readonly TraceEvent[]): Row[] {
  const named = (name: string): TraceEvent[] => events.filter((event) => event.name === name);
  const titles = new Map(named('process_name').map(({ pid, args }) => [pid, String(args?.name).replace(/:.*$/, '')]));
  return named('thread_name').map(({ pid, tid, args }) => {
    const own = events.filter((event) => event.ph === 'X' && event.pid === pid && event.tid === tid);
    const title = titles.get(pid) ?? '';
    const worker = /worker (\w+)/.exec(title)?.[1];
    return { title: worker === undefined ? title : `${worker} ${String(args?.name)}`, bars: barsOf(own) };
  });
}

function barsOf(events: readonly TraceEvent[]): Bar[] {
  const sorted = events
    .map(({ name, ts = 0, dur = 0 }) => ({ name, startUs: ts, endUs: ts + dur }))
    .sort((a, b) => a.startUs - b.startUs || b.endUs - a.endUs);
  const around: number[] = [];
  return sorted.map((span) => {
    while ((around.at(-1) ?? Infinity) <= span.startUs) around.pop();
    around.push(span.endUs);
    return { ...span, depth: around.length - 1 };
  });
}

/** From the wait before the first step's commit to the end of the last one's. */
function windowOf(events: readonly TraceEvent[], first: number, steps: number): [number, number] {
  const ofStep = (name: string, step: number): TraceEvent => {
    const found = events.find((event) => event.name === name && event.pid === 1 && event.args?.step === step);
    if (found === undefined) throw new Error(`step ${step} has no ${name} in this trace`);
    return found;
  };
  const last = ofStep('commit', first + steps - 1);
  return [ofStep('wait', first).ts ?? 0, (last.ts ?? 0) + (last.dur ?? 0)];
}

function draw(rows: readonly Row[], [fromUs, toUs]: [number, number]): string {
  const x = (us: number): number => left + (width * (us - fromUs)) / (toUs - fromUs);
  const parts: string[] = [];
  rows.forEach(({ title, bars }, i) => {
    const top = legendHeight + i * (rowHeight + 6);
    parts.push(`<text x="${left - 8}" y="${top + 15}" text-anchor="end">${escaped(title)}</text>`);
    for (const { name, startUs, endUs, depth } of bars) {
      if (endUs <= fromUs || startUs >= toUs) continue;
      const [at, end] = [x(Math.max(startUs, fromUs)), x(Math.min(endUs, toUs))];
      const y = top + Math.min(depth, 2) * inset;
      const height = rowHeight - Math.min(depth, 2) * inset;
      parts.push(
        `<rect x="${at.toFixed(1)}" y="${y}" width="${Math.max(0.5, end - at).toFixed(1)}" height="${height}" fill="${colours[name] ?? '#000'}"/>`,
      );
    }
  });
  const bottom = legendHeight + rows.length * (rowHeight + 6) + 14;
  parts.push(`<text x="${left}" y="${bottom}">0</text>`);
  parts.push(
    `<text x="${left + width}" y="${bottom}" text-anchor="end">${((toUs - fromUs) / 1000).toFixed(0)} ms</text>`,
  );
  return svg([...legend(rows), ...parts], bottom + 8);
}

function legend(rows: readonly Row[]): string[] {
  const used = new Set(rows.flatMap(({ bars }) => bars.map(({ name }) => name)));
  return Object.entries(colours)
    .filter(([name]) => used.has(name))
    .flatMap(([name, colour], i) => [
      `<rect x="${left + i * 72}" y="4" width="10" height="10" fill="${colour}"/>`,
      `<text x="${left + i * 72 + 14}" y="13">${name}</text>`,
    ]);
}

function svg(parts: readonly string[], height: number): string {
  const size = `width="${left + width + 20}" height="${height}" viewBox="0 0 ${left + width + 20} ${height}"`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    ...parts,
    '</svg>\n',
  ].join('\n');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

const [trace, out, first = '0', steps = '2'] = process.argv.slice(2);
if (trace === undefined || out === undefined) throw new Error('TRACE.json OUT.svg [FIRST-STEP [STEPS]] was wanted');
const events = JSON.parse(readFileSync(trace, 'utf8')) as TraceEvent[];
const window = windowOf(events, Number(first), Number(steps));
// Rows without a bar in the window are left out: workers that were not there, or of another run.
const isSeen = ({ bars }: Row): boolean => bars.some(({ startUs, endUs }) => startUs < window[1] && endUs > window[0]);
writeFileSync(out, draw(rowsOf(events).filter(isSeen), window));
