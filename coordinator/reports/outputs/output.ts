/**
 * The seam of the report outputs: what a run reports, and to whom. An output only shows or keeps what it is given;
 * nothing in a run depends on it, but that the run ends when one cannot keep what it has to. `outputs.ts` has the list.
 */
import type { Paint } from '../../../shared/colors.js';
import type { LogLevel } from '../../../shared/log-line.js';
import type { MetricsLine } from '../metrics.js';
import type { NamedFigure } from '../scalars.js';
import type { StepReport } from '../steps.js';

/** Where a run stands when a coordinator begins to work on it. */
export interface RunStart {
  readonly step: number;
  readonly totalSteps: number;
  readonly epochs: number;
  /** The metrics of the epochs that are over, as the journal gives them. */
  readonly closedEpochs: readonly MetricsLine[];
  /** The run's id, and the generation that begins. */
  readonly run: string;
  readonly generation: number;
  /** When its first generation began, in milliseconds since 1970. */
  readonly beganMs: number;
  /** The text of recipe.yaml. */
  readonly recipe: string;
  /** The steps that were committed, as the journal gives them, the oldest first. */
  readonly steps: () => Iterable<StepReport>;
  /** The models that the student is compared with, each with its main figure, as far as they are known by now. */
  readonly references: () => readonly NamedFigure[];
}

/**
 * How a coordinator's work on a run ended; `again`: the same process begins anew; `taken`: another coordinator has taken the
 * run over, and reports it from there on.
 */
export type RunEnding = 'done' | 'stopped' | 'failed' | 'again' | 'taken';

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
  /** How many labels are kept already, as it was known a moment ago; null where none are kept, or nothing is known. */
  readonly labels: () => { readonly kept: number; readonly samples: number } | null;
}

export type ReportLevel = LogLevel;

export interface ReportOutput {
  /** A coordinator begins to work on the run: the first, or one that goes on where another one ended. */
  start(start: RunStart): Promise<void>;
  /** One line of text. It may come at any time, before the start and after the end too. */
  say(level: ReportLevel, text: string): void;
  progress(progress: RunProgress): void;
  /** A step was committed; it comes before the epoch that it closes. */
  step(report: StepReport): void;
  /** An epoch is over. @throws UserError 69 when it cannot be kept */
  epoch(line: MetricsLine): Promise<void>;
  /** The run is done. @param partialEpoch the metrics of a last epoch that ended before its time; null for none */
  end(partialEpoch: MetricsLine | null): Promise<void>;
  /**
   * The run was finished before, in place of all other reports. Whoever keeps it elsewhere makes up for what the end of
   * its coordinator has left undone there. @param start where the run stands, read when it is asked for
   */
  finished(start: () => Promise<RunStart>): Promise<void>;
  /** A coordinator works no more on the run. Resolves once all that was reported is kept, or is given up. */
  over(ending: RunEnding): Promise<void>;
  /** No more is to be shown for now. It may be called twice, and after it another run may begin. */
  close(): void;
}

/** What outputs write to. */
export interface OutputPlace {
  readonly stream: NodeJS.WriteStream;
  readonly paint: Paint;
  /** The run's name. */
  readonly run: string;
  /** The run's folder. */
  readonly folder: {
    readonly write: (name: string, content: string) => Promise<void>;
    readonly append: (name: string, content: string | Uint8Array) => Promise<void>;
    /** Writes a file into a folder of the run's folder, in which no other stays. */
    readonly writeAlone: (folder: string, name: string, pieces: Iterable<Uint8Array>) => Promise<void>;
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
  step: () => undefined,
  epoch: async () => undefined,
  end: async () => undefined,
  finished: async () => undefined,
  over: async () => undefined,
  close: () => undefined,
};
