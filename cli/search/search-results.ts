/** What a search came to: as a value for search.json, as a table, and as a page with pictures. Pure. */
import { htmlPage, section } from '../../coordinator/report/html-page.js';
import { escaped, table } from '../../coordinator/report/html.js';
import { alignedLine, columnWidths } from '../../coordinator/reports/text-table.js';
import { counted } from '../../shared/counted.js';
import type { ObjectiveName } from '../../shared/recipe/search-schema.js';
import type { Objective } from './objective.js';
import { marksAt, scatter, type Dot } from './scatter.js';
import { ranked, type SearchPlan, type SearchTrial } from './search-state.js';
import { choicesIn, coordinateOf, valueAt, type Dimension, type TrialValues } from './space.js';
import { dimensionText } from './wanted-space.js';

interface TrialResult {
  readonly trial: number;
  readonly outcome: 'done' | 'halved' | 'failed';
  /** The objective where it ended; null for a trial that failed. */
  readonly value: number | null;
  /** Epochs that it was judged at, at most. */
  readonly epochs: number;
  readonly values: TrialValues;
  readonly reason?: string;
  /** The run's folder, relative to the search's. */
  readonly folder: string;
}

/** What search.json holds. */
export interface SearchResult {
  /** The recipe's name. */
  readonly name: string;
  readonly objective: ObjectiveName;
  readonly seed: number;
  readonly trials: readonly TrialResult[];
  /** The best of the trials that ran to their end; null where none did. */
  readonly best: TrialResult | null;
}

/** @param trials all over, in the order of their numbers */
export function resultOf(name: string, { objective, seed }: SearchPlan, trials: readonly SearchTrial[]): SearchResult {
  const results = trials.map(({ number, values, epochs, end }): TrialResult => {
    const { outcome = 'failed', value = null, reason } = end ?? {};
    const reached = Math.max(0, ...epochs.keys());
    const said = reason === undefined ? {} : { reason };
    return { trial: number, outcome, value, epochs: reached, values, ...said, folder: `trials/${number}` };
  });
  const [first] = ranked(trials, objective);
  const best = results.find(({ trial, outcome }) => trial === first?.number && outcome === 'done') ?? null;
  return { name, objective: objective.name, seed, trials: results, best };
}

/** The trials as rows of texts, a head first: the best ones first. */
function rowsOf({ space, objective }: SearchPlan, trials: readonly SearchTrial[]): string[][] {
  const head = ['trial', ...space.map(({ key }) => key), objective.name, 'epochs', 'outcome'];
  const rows = ranked(trials, objective).map(({ number, values, epochs, end }) => [
    String(number),
    ...space.map(({ key }) => String(values[key])),
    figureText(end?.value ?? null, objective),
    String(Math.max(0, ...epochs.keys())),
    end?.outcome === 'failed' ? `failed: ${end.reason ?? ''}` : (end?.outcome ?? ''),
  ]);
  return [head, ...rows];
}

const figureText = (value: number | null, { text }: Objective): string => (value === null ? '–' : text(value));

/** A table with a line for each trial, the best first. */
export function searchTable(plan: SearchPlan, trials: readonly SearchTrial[]): string {
  const rows = rowsOf(plan, trials);
  const widths = columnWidths(rows);
  const last = (rows[0]?.length ?? 0) - 1;
  return rows.map((row) => alignedLine(row, widths, (column) => column === last).trimEnd()).join('\n');
}

/** Values in a line: `losses.response.temperature 4.2, optimizer.learningRate 0.003`. */
export function valuesText(values: TrialValues): string {
  return Object.entries(values)
    .map(([key, value]) => `${key} ${value}`)
    .join(', ');
}

/** How many trials ended in which way: `10 done, 18 halved, 2 failed`. */
export function outcomesText(trials: readonly SearchTrial[]): string {
  const count = (outcome: string): number => trials.filter(({ end }) => end?.outcome === outcome).length;
  return `${count('done')} done, ${count('halved')} halved, ${count('failed')} failed`;
}

/** A page with a picture of the objective by trial, one for each key of the space, and the table. */
export function searchPage(name: string, plan: SearchPlan, trials: readonly SearchTrial[]): string {
  const { objective, space } = plan;
  const best = ranked(trials, objective).find(({ end }) => end?.outcome === 'done');
  const judged = trials.flatMap(({ number, values, end }) => {
    const value = end?.value ?? null;
    return value === null ? [] : [{ number, values, value, outcome: end?.outcome }];
  });
  const dotAt = (x: number, { number, values, value, outcome }: (typeof judged)[number]): Dot => ({
    x,
    y: value,
    title: `trial ${number}: ${objective.text(value)}; ${valuesText(values)}`,
    kind: number === best?.number ? 'best' : outcome === 'halved' ? 'halved' : 'done',
  });
  const title = `Search of ${name}`;
  const pictures = [
    scatter({
      title: `${objective.name} by trial; the line is the best so far`,
      dots: judged.map((trial) => dotAt(trial.number, trial)),
      across: null,
      line: bestSoFar(trials, objective),
      text: objective.text,
    }),
    ...space.map((dimension) =>
      scatter({
        title: `${objective.name} by ${dimension.key}`,
        dots: judged.map((trial) => dotAt(coordinateOf(dimension, trial.values[dimension.key]) ?? 0, trial)),
        across: marksOf(dimension),
        text: objective.text,
      }),
    ),
  ];
  const [head = [], ...rows] = rowsOf(plan, trials);
  return htmlPage(title, [
    `<h1>${escaped(title)}</h1>`,
    `<p>${escaped(`${counted(trials.length, 'trial')}: ${outcomesText(trials)}. Full dots ran to their end, hollow ones were halved; the best has a rim.`)}</p>`,
    section('Pictures', pictures.join('')),
    section('Trials', table(head, rows)),
    section(
      'Space',
      table(
        ['key'],
        space.map((dimension) => [dimensionText(dimension)]),
      ),
    ),
  ]);
}

/** The best value of those that ran to their end, from the first of them on. */
function bestSoFar(trials: readonly SearchTrial[], { costOf }: Objective): (readonly [x: number, y: number])[] {
  const line: (readonly [number, number])[] = [];
  let best: number | null = null;
  for (const { number, end } of trials) {
    // The line goes across to a better trial, and then to its figure.
    if (best !== null) line.push([number, best]);
    if (end?.outcome !== 'done' || end.value === null || (best !== null && costOf(end.value) >= costOf(best))) continue;
    best = end.value;
    line.push([number, best]);
  }
  return line;
}

function marksOf(dimension: Dimension): (readonly [x: number, text: string])[] {
  const choices = choicesIn(dimension);
  if (choices !== null) return Array.from({ length: choices }, (_, i) => [i, String(valueAt(dimension, i))]);
  return marksAt([0, 0.25, 0.5, 0.75, 1].map((x) => String(Number(Number(valueAt(dimension, x)).toPrecision(3)))));
}
