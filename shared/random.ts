/**
 * Keyed random numbers: a stream is a pure function of its key (seed, epoch, sample, layer name, use ...), never of
 * the order of calls or of the worker that asks. Integer arithmetic only, so every platform draws the same numbers.
 */

/** What a stream is drawn for, in a fixed order: numbers and texts differ even where they read alike. */
export type RandomKey = readonly (string | number)[];

export interface RandomStream {
  /** A uniform integer in [0, 2^32). */
  uint32(): number;
  /** A uniform float in [0, 1) with 24 random bits: exact in float32. */
  float(): number;
  /** A uniform integer in [0, bound), without modulo bias; `bound` is at most 2^32. */
  below(bound: number): number;
}

/** 128 bits of state from the key: FNV-1a per lane with a lane-dependent basis, then murmur3's finaliser. */
function keyState(key: RandomKey): Uint32Array {
  const text = key.map((part) => `${typeof part === 'number' ? 'n' : 's'}${String(part).length}:${part}`).join('|');
  const state = new Uint32Array(4);
  for (let lane = 0; lane < 4; lane++) {
    let h = (0x811c9dc5 ^ Math.imul(lane + 1, 0x9e3779b1)) >>> 0;
    for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    state[lane] = (h ^ (h >>> 16)) >>> 0;
  }
  if (state.every((word) => word === 0)) state[0] = 1;
  return state;
}

/** The stream of a key: xoshiro128** (Blackman and Vigna, Scrambled linear pseudorandom generators, 2018). */
export function randomStream(key: RandomKey): RandomStream {
  let [a = 0, b = 0, c = 0, d = 0] = keyState(key);
  const rotl = (x: number, k: number): number => (x << k) | (x >>> (32 - k));
  const uint32 = (): number => {
    const result = Math.imul(rotl(Math.imul(b, 5), 7), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotl(d, 11);
    return result;
  };
  for (let i = 0; i < 8; i++) uint32();
  return {
    uint32,
    float: () => (uint32() >>> 8) / 0x1000000,
    below: (bound) => {
      const limit = 0x100000000 - (0x100000000 % bound);
      let x = uint32();
      while (x >= limit) x = uint32();
      return x % bound;
    },
  };
}

/** An integer seed in [1, 2^31) for libraries that take one. */
export function keyedSeed(key: RandomKey): number {
  return 1 + randomStream(key).below(0x7ffffffe);
}

/** Shuffles in place, all orders being equally likely (Fisher and Yates). Gives the same array. */
export function shuffle(values: Uint32Array, stream: RandomStream): Uint32Array {
  for (let i = values.length - 1; i > 0; i--) {
    const j = stream.below(i + 1);
    const held = values[i] ?? 0;
    values[i] = values[j] ?? 0;
    values[j] = held;
  }
  return values;
}
