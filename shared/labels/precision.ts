/**
 * How exactly a soft label is kept: rows of numbers to bytes and back, without an allocation a row. Decoding is a pure
 * function of the bytes, so every worker that reads a row has the same bits.
 *
 *   float32   the row itself
 *   float16   each number rounded to 11 significant bits; a distribution's logs are normalised again when read
 *   top-k     the k likeliest classes as float16 logs, and the mass of all others (the tail), which share it evenly
 *
 * A row is a distribution (log-probabilities) or logits. top-k keeps distributions alone: a tail of logits has no mass
 * that would hold at every temperature.
 */
import { halfTable, toHalf } from './half.js';
import { distributionFault, sumTolerance, valueFault } from './row-faults.js';

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

/** Rows in one piece of memory. */
export interface LabelRows {
  /** Keeps values[at .. at + classes) as row `row`. */
  write(row: number, values: Float32Array, at: number): void;
  /** Puts row `row` into out[at .. at + classes). */
  read(row: number, out: Float32Array, at: number): void;
  /** Why the bytes of the row can be no label (row-faults.ts); null where they can. */
  fault(row: number): string | null;
}

/** A way to keep rows. */
export interface RowCodec {
  /** Bytes of a row, a multiple of 4. */
  readonly rowBytes: number;
  /** @param from byte offset of row 0, a multiple of 4 */
  readonly open: (memory: ArrayBuffer, from: number, rows: number) => LabelRows;
}

/** log 2^-126: no class of a tail is less likely, so that nothing becomes 0 x infinity. */
const smallestLog = Math.log(2 ** -126);

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

/** A row: float32 log of the tail's mass, k class numbers (16 bits, 32 above 65,536 classes), k logs as halves. */
function topCodec(k: number, classes: number): RowCodec {
  const wide = classes > 65536;
  const indexBytes = (wide ? 4 : 2) * k;
  const rowBytes = Math.ceil((4 + indexBytes + 2 * k) / 4) * 4;
  const table = halfTable();
  const rest = Math.log(Math.max(1, classes - k));
  const best = new Uint32Array(k);
  const open = (memory: ArrayBuffer, from: number, rows: number): LabelRows => {
    const bytes = new DataView(memory, from, rows * rowBytes);
    const classAt = (at: number, i: number): number =>
      wide ? bytes.getUint32(at + 4 + 4 * i, true) : bytes.getUint16(at + 4 + 2 * i, true);
    const halfAt = (at: number, i: number): number => bytes.getUint16(at + 4 + indexBytes + 2 * i, true);
    return {
      write: (row, values, valuesAt) => {
        const at = row * rowBytes;
        pickLargest(values, valuesAt, classes, best);
        bytes.setFloat32(at, logOfTail(values, valuesAt, classes, best), true);
        best.forEach((c, i) => {
          if (wide) bytes.setUint32(at + 4 + 4 * i, c, true);
          else bytes.setUint16(at + 4 + 2 * i, c, true);
          bytes.setUint16(at + 4 + indexBytes + 2 * i, toHalf(values[valuesAt + c] ?? 0), true);
        });
      },
      read: (row, out, outAt) => {
        const at = row * rowBytes;
        out.fill(Math.max(smallestLog, bytes.getFloat32(at, true) - rest), outAt, outAt + classes);
        for (let i = 0; i < k; i++) out[outAt + classAt(at, i)] = table[halfAt(at, i)] ?? 0;
        normalise(out, outAt, classes);
      },
      fault: (row) => {
        const at = row * rowBytes;
        const tail = bytes.getFloat32(at, true);
        const seen = new Set<number>();
        for (let i = 0; i < k; i++) {
          const c = classAt(at, i);
          if (c >= classes) return `class ${c} of ${classes}`;
          if (seen.has(c)) return `class ${c} twice`;
          seen.add(c);
        }
        const logAt = (i: number): number => (i === k ? tail : (table[halfAt(at, i)] ?? 0));
        return (
          valueFault(logAt, k + 1) ??
          distributionFault(logAt, k, {
            rest: Math.exp(tail),
            tolerance: sumTolerance({ relative: halfError, classes }),
          })
        );
      },
    };
  };
  return { rowBytes, open };
}

/** The classes of the largest values, largest first, the lower class first among equals. */
function pickLargest(values: Float32Array, at: number, classes: number, best: Uint32Array): void {
  const value = (c: number): number => values[at + c] ?? 0;
  let held = 0;
  for (let c = 0; c < classes; c++) {
    if (held === best.length && value(c) <= value(best[held - 1] ?? 0)) continue;
    let place = held < best.length ? held++ : held - 1;
    for (; place > 0 && value(best[place - 1] ?? 0) < value(c); place--) best[place] = best[place - 1] ?? 0;
    best[place] = c;
  }
}

/** log of the mass of the classes that are not among `best`. */
function logOfTail(values: Float32Array, at: number, classes: number, best: Uint32Array): number {
  if (best.length === classes) return smallestLog;
  let mass = 0;
  for (let c = 0; c < classes; c++) if (!best.includes(c)) mass += Math.exp(values[at + c] ?? 0);
  return Math.max(smallestLog, Math.log(mass));
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
      return `top-${Math.min(precision.k, form.classes)} with tail mass, ${rowBytes} bytes a sample; a distribution changes by at most its tail's mass plus 1/1024 of its entropy (total variation)`;
    default:
      return precision satisfies never;
  }
}
