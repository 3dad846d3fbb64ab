/**
 * The k likeliest classes of a distribution and the mass of all others (the tail), which share it evenly, in few bytes
 * of a fixed number. A row is a string of bits:
 *
 *   9   the tail's mass: (n / 511.25)^2
 *   5   the reach of the levels: (n + 1) / 2, in units of the natural logarithm
 *   k x low bits of the classes, in their order, then their high bits in unary (Elias 1974, Fano 1971)
 *   k x level of each class: its probability is that of the likeliest class times exp(-level x reach / (levels - 1))
 *
 * What is kept has the mass that the tail leaves, so every row that can be read sums to 1. Decoding and encoding use
 * arithmetic whose bits are the same on every machine (portable.ts). Pure.
 */
import { bitsAt, putBits } from './bits.js';
import { expOfMinus, naturalLog } from './portable.js';
import type { LabelRows, RowCodec } from './row-codec.js';
import { distributionFault, sumTolerance } from './row-faults.js';

const tailBits = 9;
const reachBits = 5;
const headBits = tailBits + reachBits;
/** The divisor of a tail's number: a little above the largest, which still leaves the kept classes 1/1000. */
const tailScale = 511.25;
/** The longest reach: a class that is e^16 times less likely than the likeliest is kept as if it were e^16 times. */
const longestReach = 2 ** reachBits / 2;
/** No class of a tail is less likely than 2^-126, so that nothing becomes 0 x infinity. */
const smallestLog = -126 * Math.LN2;
/** A level has what the classes leave of so many bits for each class, within bounds. */
const bitsEach = 18.8;
const [fewestLevelBits, mostLevelBits] = [6, 10];

/** Where the parts of a row lie, in bits. */
interface TopForm {
  readonly k: number;
  readonly classes: number;
  /** Low bits of a class. */
  readonly lowBits: number;
  /** Bits of all high parts. */
  readonly highBits: number;
  readonly levelBits: number;
  readonly rowBytes: number;
}

/** The form of rows that keep k of so many classes. @param k at most `classes` */
export function topFormOf(k: number, classes: number): TopForm {
  const highOf = (low: number): number => k + Math.floor((classes - 1) / 2 ** low);
  let lowBits = 0;
  while (k + highOf(lowBits + 1) < highOf(lowBits)) lowBits++;
  const highBits = highOf(lowBits);
  const left = bitsEach * k - headBits - k * lowBits - highBits;
  const levelBits = Math.min(mostLevelBits, Math.max(fewestLevelBits, Math.floor(left / k)));
  const rowBytes = Math.ceil((headBits + k * (lowBits + levelBits) + highBits) / 8);
  return { k, classes, lowBits, highBits, levelBits, rowBytes };
}

/**
 * What a row may change, as total variation, beside the tail's shape: the tail's mass is within 1/500 of itself, and the
 * probabilities of what is kept, whose logarithms are within half a step of themselves, change by a quarter of a step.
 *
 * @param spread natural logarithm of the likeliest by the least likely class that is kept
 */
export function topError({ k, levelBits }: TopForm, spread: number): number {
  const reach = Math.min(longestReach, spread + 0.5);
  return 1 / 500 + reach / (4 * (2 ** levelBits - 1)) + k * expOfMinus(longestReach);
}

/** exp(-level x reach / (levels - 1)) by bits of a level, reach and level, made when first wanted. */
const weightTables = new Map<number, Float64Array[]>();

function weightsOf(reach: number, { levelBits }: TopForm): Float64Array {
  const tables = weightTables.get(levelBits) ?? [];
  weightTables.set(levelBits, tables);
  return (tables[reach] ??= Float64Array.from({ length: 2 ** levelBits }, (_, level) =>
    expOfMinus(level * stepOf(reach, levelBits)),
  ));
}

function stepOf(reach: number, levelBits: number): number {
  return (reach + 1) / 2 / (2 ** levelBits - 1);
}

function tailMass(number: number): number {
  return (number / tailScale) ** 2;
}

/** What a row is written from and read into: its classes in their order, and the level of each. */
interface Scratch {
  readonly form: TopForm;
  readonly kept: Uint32Array;
  readonly levels: Uint16Array;
}

/** Rows of the k likeliest of so many classes. */
export function topCodec(k: number, classes: number): RowCodec {
  const form = topFormOf(k, classes);
  const scratch = { form, kept: new Uint32Array(k), levels: new Uint16Array(k) };
  const open = (memory: ArrayBuffer, from: number, rows: number): LabelRows => {
    const all = new Uint8Array(memory, from, rows * form.rowBytes);
    const bytesOf = (row: number): Uint8Array => all.subarray(row * form.rowBytes, (row + 1) * form.rowBytes);
    return {
      write: (row, values, at) => writeRow(bytesOf(row), values.subarray(at, at + classes), scratch),
      read: (row, out, at) => readRow(bytesOf(row), out.subarray(at, at + classes), scratch),
      fault: (row) => faultOf(bytesOf(row), scratch),
    };
  };
  return { rowBytes: form.rowBytes, open };
}

/** Values that are no distribution become a row of ones alone, which has a fault. */
function writeRow(bytes: Uint8Array, logs: Float32Array, scratch: Scratch): void {
  const { form, kept, levels } = scratch;
  const { k, classes } = form;
  const tolerance = sumTolerance({ relative: 2 ** -24, classes });
  if (distributionFault((c) => logs[c] ?? 0, classes, { rest: 0, tolerance }) !== null) {
    bytes.fill(255);
    return;
  }
  bytes.fill(0);
  pickLargest(logs, kept);
  const largest = logs[kept[0] ?? 0] ?? 0;
  kept.sort();
  const probabilities = Float64Array.from(kept, (c) => expOfMinus(Math.max(0, -(logs[c] ?? 0))));
  const mass = probabilities.reduce((sum, p) => sum + p, 0);
  const tail = k === classes ? 0 : Math.sqrt(Math.max(0, 1 - mass)) * tailScale;
  const reach = bestReach(probabilities, { mass, largest, logs, scratch });
  levelsAt(reach, { largest, logs, scratch });
  let at = 0;
  const put = (width: number, value: number): void => {
    putBits(bytes, at, { width, value });
    at += width;
  };
  put(tailBits, Math.min(2 ** tailBits - 1, Math.round(tail)));
  put(reachBits, reach);
  kept.forEach((c) => put(form.lowBits, c));
  kept.forEach((c, i) => putBits(bytes, at + (c >>> form.lowBits) + i, { width: 1, value: 1 }));
  at += form.highBits;
  levels.forEach((level) => put(form.levelBits, level));
}

interface Levelled {
  /** log of the likeliest class's probability. */
  readonly largest: number;
  readonly logs: Float32Array;
  readonly scratch: Scratch;
}

/** Puts the level nearest to each kept class into the scratch. */
function levelsAt(reach: number, { largest, logs, scratch: { form, kept, levels } }: Levelled): void {
  const step = stepOf(reach, form.levelBits);
  const last = 2 ** form.levelBits - 1;
  for (let i = 0; i < form.k; i++) levels[i] = Math.min(last, Math.round((largest - (logs[kept[i] ?? 0] ?? 0)) / step));
}

/**
 * The reach that changes the kept probabilities least in sum. A short one has finer steps, and makes what lies beyond
 * it too likely.
 */
function bestReach(probabilities: Float64Array, levelled: Levelled & { readonly mass: number }): number {
  const { logs, largest, mass, scratch } = levelled;
  const { form, kept, levels } = scratch;
  const smallest = kept.reduce((least, c) => Math.min(least, logs[c] ?? 0), 0);
  const enough = Math.min(2 ** reachBits - 1, Math.max(0, Math.ceil(2 * (largest - smallest)) - 1));
  let best = { reach: enough, error: Infinity };
  for (let reach = enough; reach >= 0; reach--) {
    levelsAt(reach, levelled);
    const weights = weightsOf(reach, form);
    const sum = levels.reduce((total, level) => total + (weights[level] ?? 0), 0);
    const error = levels.reduce(
      (total, level, i) => total + Math.abs(((weights[level] ?? 0) * mass) / sum - (probabilities[i] ?? 0)),
      0,
    );
    if (error < best.error) best = { reach, error };
  }
  return best.reach;
}

/** The classes of the largest values, largest first, the lower class first among equals. */
function pickLargest(values: Float32Array, best: Uint32Array): void {
  const value = (c: number): number => values[c] ?? 0;
  let held = 0;
  for (let c = 0; c < values.length; c++) {
    if (held === best.length && value(c) <= value(best[held - 1] ?? 0)) continue;
    let place = held < best.length ? held++ : held - 1;
    for (; place > 0 && value(best[place - 1] ?? 0) < value(c); place--) best[place] = best[place - 1] ?? 0;
    best[place] = c;
  }
}

/** Reads classes and levels of a row into the scratch. @returns the bits that its high parts really have */
function parse(bytes: Uint8Array, { form, kept, levels }: Scratch): { tail: number; reach: number; highs: number } {
  const { k, lowBits, highBits, levelBits } = form;
  const highAt = headBits + k * lowBits;
  let highs = 0;
  for (let bit = 0; bit < highBits; bit++) {
    if (bitsAt(bytes, highAt + bit, 1) === 0) continue;
    if (highs < k) kept[highs] = ((bit - highs) << lowBits) | bitsAt(bytes, headBits + highs * lowBits, lowBits);
    highs++;
  }
  for (let i = 0; i < k; i++) levels[i] = bitsAt(bytes, highAt + highBits + i * levelBits, levelBits);
  return { tail: bitsAt(bytes, 0, tailBits), reach: bitsAt(bytes, tailBits, reachBits), highs };
}

function readRow(bytes: Uint8Array, out: Float32Array, scratch: Scratch): void {
  const { form, kept, levels } = scratch;
  const { tail, reach } = parse(bytes, scratch);
  const weights = weightsOf(reach, form);
  const step = stepOf(reach, form.levelBits);
  const sum = levels.reduce((total, level) => total + (weights[level] ?? 0), 0);
  const mass = tailMass(tail);
  const each = mass / Math.max(1, form.classes - form.k);
  out.fill(Math.max(smallestLog, each === 0 ? smallestLog : naturalLog(each)));
  const first = naturalLog((1 - mass) / sum);
  for (let i = 0; i < form.k; i++) out[kept[i] ?? 0] = first - (levels[i] ?? 0) * step;
}

/** Why the bytes can be no row: each row that can be read is a distribution, since what is kept has what the tail leaves. */
function faultOf(bytes: Uint8Array, scratch: Scratch): string | null {
  const { form, kept, levels } = scratch;
  const { k, classes, lowBits, highBits, levelBits, rowBytes } = form;
  if (bytes.every((byte) => byte === 255)) return 'values that are no distribution';
  const { tail, highs } = parse(bytes, scratch);
  if (highs !== k) return `${highs} classes; ${k} were wanted`;
  for (let i = 0; i < k; i++) {
    const c = kept[i] ?? 0;
    if (c >= classes) return `class ${c} of ${classes}`;
    if (i > 0 && c === kept[i - 1]) return `class ${c} twice`;
    if (i > 0 && c < (kept[i - 1] ?? 0)) return `class ${c} behind class ${kept[i - 1]}`;
  }
  if (!levels.includes(0)) return 'no class that is the likeliest';
  if (tail > 0 && k === classes) return 'a tail where every class is kept';
  const end = headBits + k * (lowBits + levelBits) + highBits;
  return bitsAt(bytes, end, 8 * rowBytes - end) === 0 ? null : 'bits behind its end';
}
