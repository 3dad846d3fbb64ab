/**
 * The report of one run or several as one HTML file that needs nothing else: curves, figures, digests and recipes. It
 * is made from what the runs' folders say. Pure.
 */
import { figureTexts, mainFigure, percent, type Figures } from '../../shared/figures/figures.js';
import type { CurvePart } from '../page/browser/messages.js';
import type { Summary } from '../reports/summary.js';
import { classPictures } from './class-pictures.js';
import { chart, escaped, table, type DrawnLine } from './html.js';
import { htmlPage, section } from './html-page.js';

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
  return htmlPage(title, parts);
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
