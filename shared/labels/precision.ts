/**
 * How exactly a soft label is kept: rows of numbers to bytes and back, without an allocation a row. Decoding is a pure
 * function of the bytes, so every worker that reads a row has the same bits.
 *
 *   float32   the row itself
 *   float16   each number rounded to 11 significant bits; a distribution's logs are normalised again when read
 *   top-k     the k likeliest classes by levels, and the mass of all others, which share it evenly (top-rows.ts)
 *
 * A row is a distribution (log-probabilities) or logits. top-k keeps distributions alone: a tail of logits has no mass
 * that would hold at every temperature.
 */
import { halfTable, toHalf } from './half.js';
import type { LabelRows, RowCodec } from './row-codec.js';
import { distributionFault, sumTolerance, valueFault } from './row-faults.js';
import { topCodec, topError, topFormOf } from './top-rows.js';

export type Precision =
  { readonly name: 'float32' } | { readonly name: 'float16' } | { readonly name: 'top-k'; readonly k: number };

/** What a row is made of. */
export interface RowForm {
  readonly classes: number;
  /** Positions of a sequence, at each of which a row has its classes. Default: 1. */
  readonly positions?: number;
  /** Whether a row's numbers are log-probabilities, whose exponentials sum to 1; else they are logits. */
  readonly isDistribution: boolean;
}

/** How many numbers a row has. */
export function widthOf({ classes, positions = 1 }: RowForm): number {
  return classes * positions;
}

/** How rows of a form are kept at a precision. */
export function codecOf(precision: Precision, form: RowForm): RowCodec {
  const { positions = 1, ...each } = form;
  return positions === 1
    ? rowCodecOf(precision, form)
    : sequenceCodec(rowCodecOf(precision, each), each.classes, positions);
}

/** Each position is kept as a row of its own. */
function sequenceCodec({ rowBytes, open }: RowCodec, classes: number, positions: number): RowCodec {
  return {
    rowBytes: rowBytes * positions,
    open: (memory, from, rows) => {
      const inner = open(memory, from, rows * positions);
      const each = (visit: (position: number) => void): void => {
        for (let position = 0; position < positions; position++) visit(position);
      };
      return {
        write: (row, values, at) =>
          each((position) => inner.write(row * positions + position, values, at + position * classes)),
        read: (row, out, at) =>
          each((position) => inner.read(row * positions + position, out, at + position * classes)),
        fault: (row) => {
          for (let position = 0; position < positions; position++) {
            const fault = inner.fault(row * positions + position);
            if (fault !== null) return fault;
          }
          return null;
        },
      };
    },
  };
}

function rowCodecOf(precision: Precision, form: RowForm): RowCodec {
  switch (precision.name) {
    case 'float32':
      return {
        rowBytes: 4 * form.classes,
        open: (memory, from, rows) => floatRows(form, new Float32Array(memory, from, rows * form.classes)),
      };
    case 'float16':
      return halfCodec(form);
    case 'top-k':
      return topCodec(Math.min(precision.k, form.classes), form.classes);
    default:
      return precision satisfies never;
  }
}

function floatRows(form: RowForm, kept: Float32Array): LabelRows {
  const { classes } = form;
  return {
    write: (row, values, at) => {
      for (let k = 0; k < classes; k++) kept[row * classes + k] = values[at + k] ?? 0;
    },
    read: (row, out, at) => {
      for (let k = 0, from = row * classes; k < classes; k++) out[at + k] = kept[from + k] ?? 0;
    },
    fault: (row) => rowFault((k) => kept[row * classes + k] ?? 0, form, floatError),
  };
}

/** Relative errors of a number that is kept in 24 and in 11 bits. */
const floatError = 2 ** -24;
const halfError = 2 ** -11;

function rowFault(valueAt: (k: number) => number, { classes, isDistribution }: RowForm, error: number): string | null {
  const fault = valueFault(valueAt, classes);
  if (fault !== null || !isDistribution) return fault;
  return distributionFault(valueAt, classes, { rest: 0, tolerance: sumTolerance({ relative: error, classes }) });
}

function halfCodec(form: RowForm): RowCodec {
  const { classes, isDistribution } = form;
  const stride = classes + (classes % 2);
  const table = halfTable();
  const open = (memory: ArrayBuffer, from: number, rows: number): LabelRows => {
    const kept = new Uint16Array(memory, from, rows * stride);
    return {
      write: (row, values, at) => {
        for (let k = 0; k < classes; k++) kept[row * stride + k] = toHalf(values[at + k] ?? 0);
      },
      read: (row, out, at) => {
        for (let k = 0; k < classes; k++) out[at + k] = table[kept[row * stride + k] ?? 0] ?? 0;
        if (isDistribution) normalise(out, at, classes);
      },
      fault: (row) => rowFault((k) => table[kept[row * stride + k] ?? 0] ?? 0, form, halfError),
    };
  };
  return { rowBytes: 2 * stride, open };
}

/** Takes the log of the sum of exponentials off, in float64. */
function normalise(logs: Float32Array, at: number, classes: number): void {
  let sum = 0;
  for (let k = 0; k < classes; k++) sum += Math.exp(logs[at + k] ?? 0);
  const log = Math.log(sum);
  for (let k = 0; k < classes; k++) logs[at + k] = (logs[at + k] ?? 0) - log;
}

/**
 * Half the sum of |p - q| over the classes of two distributions given as logs: the most that any event's probability
 * differs.
 */
export function totalVariation(p: Float32Array, q: Float32Array): number {
  return p.reduce((sum, value, k) => sum + Math.abs(Math.exp(value) - Math.exp(q[k] ?? 0)), 0) / 2;
}

/** What a precision may change, in words, for the start of a run. */
export function errorBound(precision: Precision, form: RowForm): string {
  const { rowBytes } = codecOf(precision, form);
  switch (precision.name) {
    case 'float32':
      return `float32, exact, ${rowBytes} bytes a sample`;
    case 'float16':
      return `float16, ${rowBytes} bytes a sample, each number within 1/2048 of itself${form.isDistribution ? ', then normalised' : ''}`;
    case 'top-k':
      return topBound(Math.min(precision.k, form.classes), form.classes, rowBytes);
    default:
      return precision satisfies never;
  }
}

function topBound(k: number, classes: number, rowBytes: number): string {
  const form = topFormOf(k, classes);
  const [thousand, most] = [Math.log(1000), Infinity].map((spread) => (100 * topError(form, spread)).toPrecision(2));
  return (
    `top-${k} with tail mass, ${rowBytes} bytes a sample; a distribution changes by at most its tail's mass and ${thousand} % ` +
    `(total variation) where the likeliest class that is kept is 1000 times as likely as the least likely, and ${most} % elsewhere`
  );
}
