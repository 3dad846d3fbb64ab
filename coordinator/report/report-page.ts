/**
 * The report of one run or several as one HTML file that needs nothing else: curves, figures, digests and recipes. It
 * is made from what the runs' folders say. Pure.
 */
import { figureTexts, mainFigure, percent, type Figures } from '../../shared/figures/figures.js';
import type { CurvePart } from '../page/browser/messages.js';
import type { Summary } from '../reports/summary.js';
import { classPictures } from './class-pictures.js';
import { chart, escaped, table, type DrawnLine } from './html.js';

/** What is reported of a run. */
export interface ReportedRun {
  readonly folder: string;
  /** Null where the run is not finished. */
  readonly summary: Summary | null;
  /** As metrics.jsonl has them. */
  readonly epochs: readonly { readonly step: number; readonly loss: number; readonly eval?: Figures | undefined }[];
  /** Each loss term's unweighted mean by step. */
  readonly terms: CurvePart;
  /** recipe.yaml; null where it is missing. */
  readonly recipe: string | null;
}

export function reportPage(runs: readonly ReportedRun[]): string {
  const title = runs.map(({ folder, summary }) => summary?.name ?? folder).join(', ');
  const parts = [
    `<h1>${escaped(title)}</h1>`,
    section('Figures', runs.map(figuresOf).join('')),
    section('Curves', curvesOf(runs)),
    section('Classes', classesOf(runs)),
    section('Runs', table(['', ...runs.map(({ folder }) => folder)], factsOf(runs))),
    section('Recipes', runs.map(recipeOf).join('')),
  ];
  return (
    `<!doctype html><html lang="en"><head><meta charset="utf-8"/>` +
    `<meta http-equiv="content-security-policy" content="default-src 'none'; style-src 'unsafe-inline'"/>` +
    `<meta name="viewport" content="width=device-width, initial-scale=1"/><title>${escaped(title)}</title>` +
    `<style>${style}</style></head><body>${parts.join('')}</body></html>\n`
  );
}

/** How each finished run's student answered on the evaluation set. */
function classesOf(runs: readonly ReportedRun[]): string {
  const pictures = runs.flatMap(({ folder, summary }) => {
    if (summary?.details === undefined) return [];
    const title = runs.length > 1 ? `: ${folder}` : '';
    return [classPictures(summary.details, summary.facts?.output.classNames ?? [], title)];
  });
  return pictures.length === 0 ? '<p>No run tells how it answered class by class.</p>' : pictures.join('');
}

function section(title: string, content: string): string {
  return `<section><h2>${escaped(title)}</h2>${content}</section>`;
}

/** The models of a run with all their figures. */
function figuresOf({ folder, summary }: ReportedRun): string {
  const heading = `<h3>${escaped(folder)}</h3>`;
  if (summary === null) return `${heading}<p>The run is not finished.</p>`;
  const { student, best, baseline, teachers, ensemble } = summary;
  const models: [string, (Figures & { parameters: number; calibrationError?: number | undefined }) | undefined][] = [
    ['student alone', baseline],
    [teachers.length > 0 ? 'student, distilled' : 'student', student],
    ...(best === undefined ? [] : [[`student at step ${best.step}, its best`, best] satisfies [string, typeof best]]),
    ...teachers.map((teacher): [string, typeof teacher] => [`teacher ${teacher.name}`, teacher]),
    ['ensemble', teachers.length > 1 ? ensemble : undefined],
  ];
  const there = models.flatMap(([name, model]) => (model === undefined ? [] : [{ name, model }]));
  const columns = [...new Set(there.flatMap(({ model }) => figureTexts(model).map(([name]) => name)))];
  const rows = there.map(({ name, model }) => {
    const texts = new Map(figureTexts(model));
    const { parameters, calibrationError } = model;
    const calibration = calibrationError === undefined ? '–' : percent(calibrationError);
    return [name, parameters.toLocaleString('en'), ...columns.map((column) => texts.get(column) ?? '–'), calibration];
  });
  return heading + table(['model', 'parameters', ...columns, 'calibration error'], rows);
}

function curvesOf(runs: readonly ReportedRun[]): string {
  const byEpoch = (read: (epoch: ReportedRun['epochs'][number]) => number | null): DrawnLine[] =>
    runs.map(({ folder, epochs }) => ({
      label: folder,
      points: epochs.map((epoch) => [epoch.step, read(epoch)] as const),
    }));
  const figure = (evaluation: Figures | undefined): number | null => mainFigure(evaluation ?? {})?.value ?? null;
  const number = (value: number): string => String(Number(value.toPrecision(4)));
  const several = runs.length > 1;
  return [
    chart(
      'Loss by epoch',
      byEpoch(({ loss }) => loss),
      number,
    ),
    chart('Evaluation of the student', [...byEpoch((epoch) => figure(epoch.eval)), ...referencesOf(runs)], number),
    ...runs.map(({ folder, terms }) =>
      chart(`Loss terms by step, unweighted${several ? `: ${folder}` : ''}`, termLines(terms), number),
    ),
  ].join('');
}

/** What the students are compared with, as lines from the first step to the last. */
function referencesOf(runs: readonly ReportedRun[]): DrawnLine[] {
  return runs.flatMap(({ folder, summary }) => {
    if (summary === null) return [];
    const { baseline, ensemble, teachers, steps } = summary;
    const compared: [string, Figures | undefined][] = [
      ['student alone', baseline],
      ...teachers.map((teacher): [string, Figures] => [`teacher ${teacher.name}`, teacher]),
      ['ensemble', teachers.length > 1 ? ensemble : undefined],
    ];
    return compared.flatMap(([name, figures = {}]): DrawnLine[] => {
      const value = mainFigure(figures)?.value;
      const label = runs.length > 1 ? `${folder}: ${name}` : name;
      return value === undefined
        ? []
        : [
            {
              label,
              points: [
                [0, value],
                [steps, value],
              ],
              isDashed: true,
            },
          ];
    });
  });
}

function termLines({ width, from, series }: CurvePart): DrawnLine[] {
  return Object.entries(series).map(([label, { mean }]) => ({
    label,
    points: mean.map((value, i) => [(from + i) * width + (width + 1) / 2, value] as const),
  }));
}

/** What the runs were, a row for each fact and a column for each run. */
function factsOf(runs: readonly ReportedRun[]): string[][] {
  const facts: [string, (summary: Summary) => string][] = [
    ['run', ({ run }) => run],
    ['steps', ({ steps }) => String(steps)],
    ['samples', ({ samples }) => String(samples)],
    ['seconds', ({ seconds }) => seconds.toFixed(1)],
    ['workers', ({ workers }) => String(workers.length)],
    ['student', ({ engines }) => engines?.student ?? '–'],
    ['leases repeated', ({ leases }) => `${leases.repeated} of ${leases.granted}`],
    ['weights', ({ digest }) => digest],
    ['recipe', ({ recipeDigest }) => recipeDigest],
  ];
  return facts.map(([name, read]) => [name, ...runs.map(({ summary }) => (summary === null ? '–' : read(summary)))]);
}

function recipeOf({ folder, recipe }: ReportedRun): string {
  const text = recipe === null ? '<p>recipe.yaml is missing.</p>' : `<pre>${escaped(recipe)}</pre>`;
  return `<details><summary>${escaped(folder)}</summary>${text}</details>`;
}

const light = ['#1f5fa8', '#c4570b', '#1a7f4b', '#8a3fa0', '#b3261e', '#0b7d86', '#7a6a00', '#59636e'];
const dark = ['#7db4f0', '#f0a263', '#5fce94', '#cf9be0', '#ff8f86', '#5cc7cf', '#d3c258', '#aab4bf'];
const colors = (all: readonly string[]): string => all.map((color, i) => `--c${i}:${color};`).join('');
const style = `
:root{color-scheme:light dark;--ground:#fff;--ink:#1b1f24;--muted:#5b6470;--rule:#dfe3e8;${colors(light)}}
@media (prefers-color-scheme:dark){:root{--ground:#14171b;--ink:#e6e9ed;--muted:#9aa4b0;--rule:#323943;${colors(dark)}}}
body{margin:0 auto;max-width:76rem;padding:1rem;background:var(--ground);color:var(--ink);font:15px/1.45 system-ui,sans-serif}
h3,figcaption{font-size:1rem}section{overflow-x:auto}figure{display:inline-block;vertical-align:top;margin:0 1rem 1rem 0;width:min(35rem,100%)}
svg text{fill:var(--muted);font-size:12px}.grid{stroke:var(--rule)}.line{fill:none;stroke-width:1.5}.dashed{stroke-dasharray:5 4}
${light.map((_, i) => `.line.c${i}{stroke:var(--c${i})}.key.c${i}{border-left:1rem solid var(--c${i});padding:0 .8rem 0 .3rem}`).join('')}
rect.bar,rect.right{fill:var(--c0)}rect.wrong{fill:var(--c1)}.frame{fill:none;stroke:var(--rule)}.spread{stroke:var(--ink);fill:var(--ink)}
svg text.on{fill:var(--ground)}svg text.off{fill:var(--ink)}
table{border-collapse:collapse}th,td{padding:.15rem 1rem .15rem 0;text-align:left;font-weight:400;overflow-wrap:anywhere}th{color:var(--muted)}
pre{overflow-x:auto}`;
