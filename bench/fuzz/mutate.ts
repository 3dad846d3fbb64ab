/** Makes hostile things of sound ones, by a stream of random numbers alone: bytes, texts, values of JSON. Pure. */
import type { RandomStream } from '../../shared/random.js';

export function pick<T>(random: RandomStream, items: readonly T[]): T {
  const found = items[random.below(items.length)];
  if (found === undefined) throw new Error('nothing to pick from');
  return found;
}

const numbers = [
  0,
  1,
  -1,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53,
  1e12,
  1e18,
  1e300,
  0.5,
  -0,
  -5,
  255,
  65_536,
];

/** Changes some bytes: flips, cuts, doubles, drops, inserts, swaps, and numbers at the edge of what fits. */
export function mutateBytes(bytes: Uint8Array, random: RandomStream): Buffer {
  let out = Buffer.from(bytes);
  for (let times = 1 + random.below(4); times > 0; times--) out = Buffer.from(changeBytes(out, random));
  return out;
}

function changeBytes(bytes: Buffer, random: RandomStream): Uint8Array {
  const at = random.below(bytes.length + 1);
  // Headers are where sizes stand.
  const early = random.below(2) === 0 ? random.below(Math.min(bytes.length, 64) + 1) : at;
  const length = 1 + random.below(16);
  switch (random.below(9)) {
    case 0:
      return bytes.subarray(0, at);
    case 1:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
    case 2:
      return Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]);
    case 3:
      return Buffer.concat([bytes.subarray(0, early), randomBytes(length, random), bytes.subarray(early)]);
    case 4:
      return overwritten(bytes, early, randomBytes(length, random));
    case 5: {
      const number = Buffer.alloc(8);
      number.writeBigUInt64LE(BigInt.asUintN(64, BigInt(Math.trunc(pick(random, numbers.slice(0, 10))))));
      return overwritten(bytes, early, number.subarray(0, pick(random, [1, 2, 4, 8])));
    }
    case 6:
      return Buffer.from(mutateText(bytes.toString('latin1'), random), 'latin1');
    case 7:
      return overwritten(bytes, early, Buffer.alloc(length, pick(random, [0x00, 0xff, 0x7f, 0x80])));
    default:
      return overwritten(bytes, early, Buffer.from([(bytes[early] ?? 0) ^ (1 << random.below(8))]));
  }
}

function overwritten(bytes: Buffer, at: number, by: Uint8Array): Buffer {
  const out = Buffer.from(bytes);
  out.set(by.subarray(0, Math.max(0, out.length - at)), at);
  return out;
}

export function randomBytes(length: number, random: RandomStream): Buffer {
  return Buffer.from(Uint8Array.from({ length }, () => random.below(256)));
}

const pieces = [
  ...['', ' ', '\n', '\0', '"', "'", ',', ':', '{', '}', '[', ']', '(', ')', '\\', '../', '/etc/passwd', '%', '#'],
  ...['constructor', '__proto__', 'toString', 'NaN', 'Infinity', '-1', '1e308', '999999999999', '1e18', 'null', 'true'],
  ...['\u001b[2J', '\ud800', 'é', '*a', '&a ', '<<: ', '- ', '? ', '!!js/function ', '.onnx', '{}', '[[[[[[[['],
];

/** Changes a text: a number for one without measure, and pieces that mean something put in, doubled or dropped. */
export function mutateText(text: string, random: RandomStream): string {
  const at = random.below(text.length + 1);
  if (random.below(3) === 0) {
    const found = [...text.matchAll(/-?\d+(\.\d+)?/g)];
    const one = found.length === 0 ? undefined : pick(random, found);
    if (one !== undefined)
      return text.slice(0, one.index) + String(pick(random, numbers)) + text.slice(one.index + one[0].length);
  }
  const length = random.below(24);
  if (random.below(3) === 0) return text.slice(0, at) + text.slice(at + length);
  if (random.below(3) === 0) return text.slice(0, at + length) + text.slice(at);
  return text.slice(0, at) + pick(random, pieces) + text.slice(at + (random.below(2) === 0 ? 0 : length));
}

/** Changes one value somewhere in a JSON value, or leaves one out, or doubles one. */
export function mutateJson(value: unknown, random: RandomStream): unknown {
  if (typeof value !== 'object' || value === null || random.below(6) === 0) return strange(value, random);
  if (Array.isArray(value)) {
    const items: unknown[] = [...(value as unknown[])];
    if (items.length === 0) return [strange(null, random)];
    const at = random.below(items.length);
    const way = random.below(8);
    if (way === 0) items.splice(at, 1);
    else if (way === 1) items.splice(at, 0, items[at]);
    else items[at] = mutateJson(items[at], random);
    return items;
  }
  const entries: [string, unknown][] = Object.entries(value);
  if (entries.length === 0) return { [pick(random, pieces)]: strange(null, random) };
  const at = random.below(entries.length);
  const [key, inner] = entries[at] ?? ['', null];
  const way = random.below(10);
  if (way === 0) entries.splice(at, 1);
  else if (way === 1) entries.push([pick(random, pieces), inner]);
  else entries[at] = [key, mutateJson(inner, random)];
  return Object.fromEntries(entries);
}

function strange(value: unknown, random: RandomStream): unknown {
  switch (random.below(9)) {
    case 0:
      return pick(random, numbers);
    case 1:
      return pick(random, pieces);
    case 2:
      return null;
    case 3:
      return [value];
    case 4:
      return { value };
    case 5:
      return typeof value === 'string' ? mutateText(value, random) : String(value);
    case 6:
      return typeof value === 'number' ? -value : [];
    case 7:
      return nested(5 + random.below(200));
    default:
      return random.below(2) === 0;
  }
}

function nested(depth: number): unknown {
  let value: unknown = 0;
  for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { a: value };
  return value;
}
