/**
 * What the coordinator tells the page in the browser, as events of a stream (Server-Sent Events). Both
 * sides import it. Names and texts in it come from peers and files, and are shown as text. Pure.
 */
import type { RunStatus, WorkerStatus } from '../../watch/run-status.js';

/** Buckets [from, end) of all series: null where a bucket of a series holds no value. */
export interface CurvePart {
  /** Steps of one bucket. */
  readonly width: number;
  readonly from: number;
  readonly series: Readonly<
    Record<
      string,
      {
        readonly min: readonly (number | null)[];
        readonly max: readonly (number | null)[];
        readonly mean: readonly (number | null)[];
      }
    >
  >;
}

/** A line that the run has said. */
export interface PageNote {
  /** Counted from 0 over the coordinator's life. */
  readonly number: number;
  readonly atMs: number;
  readonly level: 'info' | 'warn' | 'error';
  readonly text: string;
}

/** A model that the student is compared with, by the figure that its task is judged by. */
export interface PageReference {
  readonly name: string;
  readonly value: number;
}

/** What does not change while a coordinator works on a run. */
export interface PageRun {
  readonly run: string;
  readonly generation: number;
  readonly name: string;
  /** The name of the run's folder, which the list of runs knows it by. */
  readonly folder: string;
  readonly batch: { readonly size: number; readonly micro: number };
  /** What computes the student and the teachers, a line each. */
  readonly engines: readonly string[];
}

/** How the run stands. */
export interface PageStatus extends Omit<RunStatus, 'workers'> {
  readonly workers: number;
  /** The weight of each loss term in the newest step. */
  readonly weights: Readonly<Record<string, number>>;
  /** The figure that students are judged by; null before it is known. */
  readonly figure: string | null;
  readonly references: readonly PageReference[];
  /** Milliseconds that the newest commits took each to be written and synced; null before the first. */
  readonly commitMs: number | null;
  readonly logBytes: number;
  readonly residentBytes: number;
}

/** How the run ended, or how this coordinator's part in it did. */
export interface PageEnd {
  /** `again`: a coordinator goes on with the run, or with the next one, on the same address at once. */
  readonly state: 'done' | 'again' | 'ended';
  readonly text: string;
}

/** A run of the same parent folder, for comparison. */
export interface PastRun {
  /** Its folder's name. */
  readonly folder: string;
  readonly name: string;
  readonly isDone: boolean;
  readonly modifiedMs: number;
  readonly steps: number;
  /** The student's main figure at the end, or of its newest evaluation; null for none. */
  readonly value: number | null;
  readonly digest: string | null;
  /** By evaluated or closed epoch: steps by then, mean loss, and the student's main figure. */
  readonly epochs: readonly {
    readonly step: number;
    readonly loss: number;
    readonly value: number | null;
  }[];
}

/** The events of the stream, by name. */
export interface PageEvents {
  run: PageRun;
  status: PageStatus;
  workers: readonly WorkerStatus[];
  curves: CurvePart;
  notes: readonly PageNote[];
  end: PageEnd;
  /** The token is good no more; the stream ends. */
  refused: { readonly error: string };
}

/** Names of series that the page knows: besides, `term/NAME` is a loss term times its weight. */
export const seriesNames = {
  loss: 'loss',
  rate: 'samples/s',
  value: 'student',
  training: 'training accuracy',
  term: (name: string): string => `term/${name}`,
} as const;
