/** What the page shows of a run's past: its curves, and the newest lines that it said. Both are bounded. */
import { mainFigure } from '../../shared/figures/figures.js';
import { termMeans } from '../../shared/figures/training-sums.js';
import type { MetricsLine } from '../reports/metrics.js';
import { silentOutput, type ReportOutput } from '../reports/outputs/output.js';
import { SampleRate } from '../reports/sample-rate.js';
import type { JournalLine } from '../store/journal.js';
import { Curves } from './curves.js';
import { seriesNames, type PageNote } from './browser/messages.js';

/** Lines that are kept for those who begin to watch. */
export const keptNotes = 300;

export interface LiveRunOptions {
  /** The weights of the recipe's loss terms in a step. */
  readonly weightsAt: (step: number) => Readonly<Record<string, number>>;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
}

export class LiveRun {
  readonly curves = new Curves();
  /** The run's reports come in here. */
  readonly output: ReportOutput;
  readonly #options: LiveRunOptions;
  readonly #notes: PageNote[] = [];
  #noted = 0;
  #figure: string | null = null;
  readonly #rate = new SampleRate();

  constructor(options: LiveRunOptions) {
    this.#options = options;
    this.output = {
      ...silentOutput,
      start: async ({ closedEpochs }) => closedEpochs.forEach((line) => this.#addEpoch(line)),
      say: (level, text) => this.#note(level, text),
      progress: ({ step, samples, terms }) =>
        this.#addStep(step - 1, terms, this.#rate.update(options.nowMs(), samples)),
      epoch: async (line) => this.#addEpoch(line),
      end: async (line) => {
        if (line !== null) this.#addEpoch(line);
      },
    };
  }

  /** Lines that were said so far, those included that are kept no more. */
  get noted(): number {
    return this.#noted;
  }

  /** The name of the figure that the student is judged by; null before its first evaluation. */
  get figure(): string | null {
    return this.#figure;
  }

  /** The kept lines from this number on. */
  notesSince(number: number): readonly PageNote[] {
    const first = this.#noted - this.#notes.length;
    return this.#notes.slice(Math.max(0, number - first));
  }

  /** Takes the steps of a journal that was there before, of which the lines count that are given. */
  addJournal(lines: readonly JournalLine[]): void {
    const rate = new SampleRate();
    let samples = 0;
    for (const line of lines) {
      if (line.type !== 'commit') continue;
      samples += line.samples;
      this.#addStep(line.step, termMeans(line), rate.update(line.atMs, samples));
    }
  }

  #addStep(step: number, terms: Readonly<Record<string, number>>, perSecond: number): void {
    const weights = this.#options.weightsAt(step);
    const values: Record<string, number> = {};
    let loss = 0;
    for (const name in terms) {
      const part = (weights[name] ?? 0) * (terms[name] ?? 0);
      values[seriesNames.term(name)] = part;
      loss += part;
    }
    values[seriesNames.loss] = loss;
    if (perSecond > 0) values[seriesNames.rate] = perSecond;
    this.curves.add(step, values);
  }

  #addEpoch({ step, eval: evaluation = {}, accuracy }: MetricsLine): void {
    const figure = mainFigure(evaluation);
    this.#figure = figure?.name ?? this.#figure;
    this.curves.add(Math.max(0, step - 1), {
      ...(figure === undefined ? {} : { [seriesNames.value]: figure.value }),
      ...(accuracy === undefined ? {} : { [seriesNames.training]: accuracy }),
    });
  }

  #note(level: PageNote['level'], text: string): void {
    this.#notes.push({ number: this.#noted++, atMs: this.#options.nowMs(), level, text });
    if (this.#notes.length > keptNotes) this.#notes.shift();
  }
}
