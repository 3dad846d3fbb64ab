/** Ways in which a file may come to differ from what was written, each drawn by a stream of random numbers. */
import type { RandomStream } from '../simulation/random-stream.js';

/** Gives what the file holds after the damage; null where it is removed. */
type Damage = (bytes: Buffer, random: RandomStream, elsewhere: Buffer) => Buffer | null;

const placeIn = ({ length }: Buffer, random: RandomStream): number => random.below(Math.max(1, length));

/** Sets one of the bytes that `isWanted`, or any byte where there is none. */
function changed(bytes: Buffer, random: RandomStream, isWanted: (value: number) => boolean, to: string): Buffer {
  const places = [...bytes.keys()].filter((at) => isWanted(bytes[at] ?? 0));
  const at = places.length === 0 ? placeIn(bytes, random) : (places[random.below(places.length)] ?? 0);
  const copy = Buffer.from(bytes);
  copy[at] = to.charCodeAt(random.below(to.length));
  return copy;
}

const isDigit = (value: number): boolean => value >= 0x30 && value <= 0x39;
const isLetter = (value: number): boolean => value >= 0x61 && value <= 0x7a;

/** The lines with their ends; of a file without any, pieces of it. */
function linesOf(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(0x0a, at);
    const next = end < 0 ? bytes.length : end + 1;
    lines.push(bytes.subarray(at, next));
    at = next;
  }
  return lines;
}

function withLines(change: (lines: Buffer[], random: RandomStream) => void): Damage {
  return (bytes, random) => {
    const lines = linesOf(bytes);
    change(lines, random);
    return Buffer.concat(lines);
  };
}

export const damages: Readonly<Record<string, Damage>> = {
  bit: (bytes, random) => {
    const copy = Buffer.from(bytes);
    const at = placeIn(bytes, random);
    if (copy.length > 0) copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
    return copy;
  },
  digit: (bytes, random) => changed(bytes, random, isDigit, '0123456789'),
  letter: (bytes, random) => changed(bytes, random, isLetter, 'abcdefghijklmnopqrstuvwxyz'),
  cut: (bytes, random) => bytes.subarray(0, placeIn(bytes, random)),
  doubledLine: withLines((lines, random) => {
    const at = random.below(Math.max(1, lines.length));
    lines.splice(at, 0, lines[at] ?? Buffer.alloc(0));
  }),
  droppedLine: withLines((lines, random) => void lines.splice(random.below(Math.max(1, lines.length)), 1)),
  swappedLines: withLines((lines, random) => {
    const [a, b] = [random.below(Math.max(1, lines.length)), random.below(Math.max(1, lines.length))];
    const [first, second] = [lines[a] ?? Buffer.alloc(0), lines[b] ?? Buffer.alloc(0)];
    [lines[a], lines[b]] = [second, first];
  }),
  appended: (bytes, random) =>
    Buffer.concat([bytes, Buffer.from(Array.from({ length: 1 + random.below(40) }, () => random.below(256)))]),
  removed: () => null,
  ofAnotherRun: (_bytes, _random, elsewhere) => elsewhere,
};
