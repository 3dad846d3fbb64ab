/** The student alone against the student distilled, with equal budgets, over several seeds: `stillhouse compare`. */
import { join } from 'node:path';
import { exitCodes, UserError } from '../../shared/errors.js';
import { mainFigure, percent, type MainFigure } from '../../shared/figures/figures.js';
import { pairedDifference, spreadOf, type PairedDifference, type Spread } from '../../shared/figures/statistics.js';
import type { Summary } from './summary.js';
import { alignedLine, columnWidths } from './text-table.js';

export interface SeedResult {
  readonly seed: number;
  /** The task's main figure on the evaluation set, as a share of 1. */
  readonly alone: number;
  readonly distilled: number;
  readonly folder: string;
}

export interface Comparison {
  /** The figure that is compared: `accuracy`, `R2` or `micro F1`. */
  readonly figure: string;
  readonly seeds: readonly SeedResult[];
  readonly alone: Spread;
  readonly distilled: Spread;
  /** Distilled less alone, seed by seed. */
  readonly difference: PairedDifference;
}

export interface CompareOptions {
  readonly firstSeed: number;
  /** How many seeds, at least one: `firstSeed` and those after it. */
  readonly seeds: number;
  /** The folder in which seed N has the run folder `seed-N`. */
  readonly out: string;
  /** Runs a seed, with its baseline, to the end; or gives the summary of one that is there. */
  readonly run: (seed: number, folder: string) => Promise<Summary>;
}

/** Runs one seed after the other. @throws UserError 65 when a run has no figure to compare */
export async function compareSeeds({ firstSeed, seeds, out, run }: CompareOptions): Promise<Comparison> {
  const results: SeedResult[] = [];
  const figures = new Set<string>();
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    const folder = join(out, `seed-${seed}`);
    const { distilled, alone } = figuresIn(folder, await run(seed, folder));
    figures.add(distilled.name);
    results.push({ seed, alone: alone.value, distilled: distilled.value, folder });
  }
  const [figure] = figures;
  if (figure === undefined) throw new Error('no seed to compare by');
  const [alone, distilled] = [results.map((result) => result.alone), results.map((result) => result.distilled)];
  return {
    figure,
    seeds: results,
    alone: spreadOf(alone),
    distilled: spreadOf(distilled),
    difference: pairedDifference(alone, distilled),
  };
}

function figuresIn(
  folder: string,
  { student, baseline }: Summary,
): { readonly distilled: MainFigure; readonly alone: MainFigure } {
  const distilled = mainFigure(student);
  const alone = baseline === undefined ? undefined : mainFigure(baseline);
  if (distilled !== undefined && alone !== undefined) return { distilled, alone };
  throw new UserError(
    `${folder}: its summary has no figure of both students; labelled evaluation data wanted`,
    exitCodes.data,
  );
}

/** A table with a line for each seed, and below it what they say together. */
export function comparisonText({ figure, seeds, alone, distilled, difference }: Comparison): string {
  const rows = [
    ['seed', 'student alone', 'distilled', 'difference'],
    ...seeds.map((result) => [
      String(result.seed),
      percent(result.alone),
      percent(result.distilled),
      pointsText(result.distilled - result.alone),
    ]),
  ];
  const widths = columnWidths(rows);
  return [
    ...(figure === 'accuracy' ? [] : [`${figure}, in percent`]),
    ...rows.map((row) => alignedLine(row, widths)),
    '',
    `student alone ${spreadText(alone)}, distilled ${spreadText(distilled)}`,
    `difference ${pointsText(difference.mean)} points; ${certaintyText(difference, seeds.length)}`,
  ].join('\n');
}

function certaintyText({ interval, p }: PairedDifference, seeds: number): string {
  if (interval === null || p === null) return 'one seed says nothing of chance';
  return `95 % interval ${pointsText(interval.low)} to ${pointsText(interval.high)}, p = ${p.toPrecision(2)} (paired t-test over ${seeds} seeds)`;
}

/** A difference of two shares in percentage points, with its sign. */
function pointsText(share: number): string {
  return `${share < 0 ? '-' : '+'}${Math.abs(100 * share).toFixed(2)}`;
}

function spreadText({ mean, deviation }: Spread): string {
  return `${percent(mean)}${deviation === null ? '' : ` (deviation ${(100 * deviation).toFixed(2)})`}`;
}
