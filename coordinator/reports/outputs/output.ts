/**
 * The seam of the report outputs: what a run reports, and to whom. An output only shows or keeps what it is given;
 * nothing in a run depends on it, but that the run ends when one cannot keep what it has to. `outputs.ts` has the list.
 */
import type { LogLevel } from '../../../shared/log-line.js';
import type { MetricsLine } from '../metrics.js';

/** Where a run stands when a coordinator begins to work on it. */
export interface RunStart {
  readonly step: number;
  readonly totalSteps: number;
  readonly epochs: number;
  /** The metrics of the epochs that are over, as the journal gives them. */
  readonly closedEpochs: readonly MetricsLine[];
}

/** Where a run stands after a training step. */
export interface RunProgress {
  /** Steps committed, of so many. */
  readonly step: number;
  readonly totalSteps: number;
  readonly epoch: number;
  readonly epochs: number;
  /** Samples committed since this coordinator started. */
  readonly samples: number;
  /** The newest step's loss terms, means over samples. */
  readonly terms: Readonly<Record<string, number>>;
  /** Workers that are ready. */
  readonly workers: number;
}

export type ReportLevel = LogLevel;

export interface ReportOutput {
  /** A coordinator begins to work on the run: the first, or one that goes on where another one ended. */
  start(start: RunStart): Promise<void>;
  /** One line of text. It may come at any time, before the start and after the end too. */
  say(level: ReportLevel, text: string): void;
  progress(progress: RunProgress): void;
  /** An epoch is over. @throws UserError 69 when it cannot be kept */
  epoch(line: MetricsLine): Promise<void>;
  /** The run is done. @param partialEpoch the metrics of a last epoch that ended before its time; null for none */
  end(partialEpoch: MetricsLine | null): Promise<void>;
  /** No more is to be shown for now. It may be called twice, and after it another run may begin. */
  close(): void;
}

/** What outputs write to. */
export interface OutputPlace {
  readonly stream: NodeJS.WriteStream;
  /** The run's name. */
  readonly run: string;
  /** The run's folder. */
  readonly folder: {
    readonly write: (name: string, content: string) => Promise<void>;
    readonly append: (name: string, content: string) => Promise<void>;
  };
  readonly nowMs: () => number;
  /** Time between lines of progress. */
  readonly everyMs: number;
}

/** An output that shows and keeps nothing; others take from it what they have no use for. */
export const silentOutput: ReportOutput = {
  start: async () => undefined,
  say: () => undefined,
  progress: () => undefined,
  epoch: async () => undefined,
  end: async () => undefined,
  close: () => undefined,
};
