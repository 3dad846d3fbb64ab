/** How bandwidths and times are written on the command line. Pure but for commander's error. */
import { InvalidArgumentError } from 'commander';

const bitsPerSecond: Readonly<Record<string, number>> = { kbit: 1e3, Mbit: 1e6, Gbit: 1e9 };

/** Reads `25Gbit`, `800 Mbit/s`. @returns bytes a second. @throws InvalidArgumentError for anything else */
export function bandwidth(text: string): number {
  const match = /^(\d+(?:\.\d+)?) ?(kbit|Mbit|Gbit)(?:\/s)?$/.exec(text);
  const bits = Number(match?.[1]) * (bitsPerSecond[match?.[2] ?? ''] ?? NaN);
  if (!(bits > 0)) throw new InvalidArgumentError('a bandwidth such as 25Gbit or 800Mbit was wanted');
  return bits / 8;
}

const millisecondsPer: Readonly<Record<string, number>> = { us: 1e-3, ms: 1, s: 1e3 };

/** Reads `0.1ms`, `50us`, `1s`. @returns milliseconds. @throws InvalidArgumentError for anything else */
export function duration(text: string): number {
  const match = /^(\d+(?:\.\d+)?) ?(us|ms|s)$/.exec(text);
  const value = Number(match?.[1]) * (millisecondsPer[match?.[2] ?? ''] ?? NaN);
  if (!(value >= 0)) throw new InvalidArgumentError('a time such as 0.1ms or 50us was wanted');
  return value;
}

/** Reads a number of milliseconds from 0. @throws InvalidArgumentError for anything else */
export function milliseconds(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError('a number of milliseconds from 0 was wanted');
  return value;
}
