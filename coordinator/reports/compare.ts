/** The student alone against the student distilled, with equal budgets, over several seeds: `stillhouse compare`. */
import { join } from 'node:path';
import { exitCodes, UserError } from '../../shared/errors.js';
import { pairedDifference, spreadOf, type PairedDifference, type Spread } from '../../shared/figures/statistics.js';
import { mainFigure } from '../../shared/figures/figures.js';
import type { Summary } from './summary.js';

export interface SeedResult {
  readonly seed: number;
  /** The task's main figure on the evaluation set, of 1. */
  readonly alone: number;
  readonly distilled: number;
  readonly folder: string;
}

export interface Comparison {
  /** What is compared: `accuracy`, `R2` or `micro F1`. */
  readonly figure: string;
  readonly seeds: readonly SeedResult[];
  readonly alone: Spread;
  readonly distilled: Spread;
  /** Distilled less alone, seed by seed. */
  readonly difference: PairedDifference;
}

export interface CompareOptions {
  readonly firstSeed: number;
  readonly seeds: number;
  /** Run folders are `seed-N` in it. */
  readonly out: string;
  /** Runs a seed, with its baseline, to the end; or gives the summary of one that is there. */
  readonly run: (seed: number, folder: string) => Promise<Summary>;
}

/** One seed after the other. @throws UserError 65 when a run has no figure to compare */
export async function compareSeeds({ firstSeed, seeds, out, run }: CompareOptions): Promise<Comparison> {
  const results: SeedResult[] = [];
  let figure = 'accuracy';
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    const folder = join(out, `seed-${seed}`);
    const { student, baseline } = await run(seed, folder);
    const [distilled, alone] = [mainFigure(student), mainFigure(baseline ?? {})];
    if (distilled === undefined || alone === undefined)
      throw new UserError(
        `${folder}: its summary has no figure of both students; labelled evaluation data wanted`,
        exitCodes.data,
      );
    figure = distilled.name;
    results.push({ seed, alone: alone.value, distilled: distilled.value, folder });
  }
  const [alone, distilled] = [results.map((result) => result.alone), results.map((result) => result.distilled)];
  return {
    figure,
    seeds: results,
    alone: spreadOf(alone),
    distilled: spreadOf(distilled),
    difference: pairedDifference(alone, distilled),
  };
}

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
const points = (share: number): string => `${share < 0 ? '-' : '+'}${Math.abs(100 * share).toFixed(2)}`;
const spread = ({ mean, deviation }: Spread): string =>
  `${percent(mean)}${deviation === null ? '' : ` (deviation ${(100 * deviation).toFixed(2)})`}`;

export function comparisonText({ figure, seeds, alone, distilled, difference }: Comparison): string {
  const rows = [
    ['seed', 'student alone', 'distilled', 'difference'],
    ...seeds.map((result) => [
      String(result.seed),
      percent(result.alone),
      percent(result.distilled),
      points(result.distilled - result.alone),
    ]),
  ];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const table = rows.map((row) => `  ${row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join('  ')}`);
  const { interval, p } = difference;
  const sure =
    interval === null || p === null
      ? 'one seed says nothing of chance'
      : `95 % interval ${points(interval.low)} to ${points(interval.high)}, p = ${p.toPrecision(2)} (paired t-test over ${seeds.length} seeds)`;
  return [
    ...(figure === 'accuracy' ? [] : [`${figure}, in percent`]),
    ...table,
    '',
    `student alone ${spread(alone)}, distilled ${spread(distilled)}`,
    `difference ${points(difference.mean)} points; ${sure}`,
  ].join('\n');
}
