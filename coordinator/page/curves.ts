/**
 * Curves over the training steps of a run in bounded memory, however many steps there are. Steps are put together in
 * buckets of one width, a power of two; each series keeps the least, the greatest and the mean of every bucket. When
 * the buckets are used up, two neighbours become one and the width doubles, so a peak of one step is never lost.
 * Pure.
 */
import type { CurvePart } from './browser/messages.js';

/** Buckets of each series; a screen has not many more columns. */
export const usualBuckets = 1024;

interface Series {
  readonly least: Float64Array;
  readonly greatest: Float64Array;
  readonly sum: Float64Array;
  /** Values in each bucket. */
  readonly counts: Float64Array;
}

/** How far a reader has read: buckets before `bucket`, of this width, change no more. */
export interface CurvePosition {
  readonly width: number;
  readonly bucket: number;
}

/** The position of a reader that has read nothing. */
export const unread: CurvePosition = { width: 0, bucket: 0 };

export class Curves {
  readonly #capacity: number;
  readonly #series = new Map<string, Series>();
  #width = 1;
  /** Buckets up to the newest step's. */
  #length = 0;

  /** @param capacity the number of buckets, even */
  constructor(capacity = usualBuckets) {
    this.#capacity = capacity;
  }

  /** Where a reader stands that has read everything; the newest bucket may still change. */
  get position(): CurvePosition {
    return { width: this.#width, bucket: Math.max(0, this.#length - 1) };
  }

  /** Adds values of a step by the names of their series. What is not finite cannot be drawn and is left out. */
  add(step: number, values: Readonly<Record<string, number>>): void {
    while (Math.floor(step / this.#width) >= this.#capacity) this.#widen();
    const bucket = Math.floor(step / this.#width);
    this.#length = Math.max(this.#length, bucket + 1);
    for (const name in values) {
      const value = values[name];
      if (value !== undefined && Number.isFinite(value)) put(this.#seriesOf(name), bucket, value);
    }
  }

  /** All that a reader at this position has not read: everything once more where the width is another. */
  since({ width, bucket }: CurvePosition): CurvePart {
    const from = width === this.#width ? bucket : 0;
    const series = [...this.#series].map(([name, one]) => [name, this.#read(one, from)] as const);
    return { width: this.#width, from, series: Object.fromEntries(series) };
  }

  #read({ least, greatest, sum, counts }: Series, from: number): CurvePart['series'][string] {
    const [min, max, mean]: (number | null)[][] = [[], [], []];
    for (let i = from; i < this.#length; i++) {
      const count = counts[i] ?? 0;
      min?.push(count === 0 ? null : short(least[i] ?? 0));
      max?.push(count === 0 ? null : short(greatest[i] ?? 0));
      mean?.push(count === 0 ? null : short((sum[i] ?? 0) / count));
    }
    return { min: min ?? [], max: max ?? [], mean: mean ?? [] };
  }

  #seriesOf(name: string): Series {
    const known = this.#series.get(name);
    if (known !== undefined) return known;
    const [least, greatest] = [
      new Float64Array(this.#capacity).fill(Infinity),
      new Float64Array(this.#capacity).fill(-Infinity),
    ];
    const series = { least, greatest, sum: new Float64Array(this.#capacity), counts: new Float64Array(this.#capacity) };
    this.#series.set(name, series);
    return series;
  }

  #widen(): void {
    for (const series of this.#series.values()) halve(series, this.#capacity);
    this.#width *= 2;
    this.#length = Math.ceil(this.#length / 2);
  }
}

function put({ least, greatest, sum, counts }: Series, i: number, value: number): void {
  least[i] = Math.min(least[i] ?? 0, value);
  greatest[i] = Math.max(greatest[i] ?? 0, value);
  sum[i] = (sum[i] ?? 0) + value;
  counts[i] = (counts[i] ?? 0) + 1;
}

/** Puts every two neighbours together; the upper half is empty then. */
function halve({ least, greatest, sum, counts }: Series, capacity: number): void {
  for (let i = 0; i < capacity / 2; i++) {
    least[i] = Math.min(least[2 * i] ?? 0, least[2 * i + 1] ?? 0);
    greatest[i] = Math.max(greatest[2 * i] ?? 0, greatest[2 * i + 1] ?? 0);
    sum[i] = (sum[2 * i] ?? 0) + (sum[2 * i + 1] ?? 0);
    counts[i] = (counts[2 * i] ?? 0) + (counts[2 * i + 1] ?? 0);
  }
  least.fill(Infinity, capacity / 2);
  greatest.fill(-Infinity, capacity / 2);
  sum.fill(0, capacity / 2);
  counts.fill(0, capacity / 2);
}

/** As many digits as a screen can show, so that few bytes travel. */
function short(value: number): number {
  return Number(value.toPrecision(6));
}
