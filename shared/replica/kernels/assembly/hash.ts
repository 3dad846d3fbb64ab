/**
 * A fast 64-bit hash that tells replicas apart: not cryptographic, not stable across protocol versions.
 *
 * 128 bytes at a time feed eight vectors of four 32-bit chains, each a word u per step, with a sum s of their history
 * (one per two vectors) that makes the state 64 bits wide:
 *   u = rotl16(u ^ x) x P;   s = s + u
 * For a given state the step is a bijection of the word x, and for a given x a bijection of the state. So any change
 * that is confined to one 32-bit word, such as a flipped bit, always changes the chain, and with it the hash; any other
 * change goes unseen with a probability near 2^-64. The order within a chain and the chain's number enter, so swaps are
 * seen.
 */
const PRIME_STEP: u32 = 0x9e3779b1;
const PRIME_FOLD: u64 = 0x9fb21c651e98df25;

/** u = rotl16(u ^ x) x P, in four lanes. */
// @ts-ignore: decorator
@inline
function step(u: v128, x: v128): v128 {
  const mixed = v128.xor(u, x);
  return i32x4.mul(i16x8.shuffle(mixed, mixed, 1, 0, 3, 2, 5, 4, 7, 6), i32x4.splat(PRIME_STEP));
}

/**
 * A bijection of h for given x, and of x for given h (multiplication by an odd number and xor-shifts are invertible).
 */
// @ts-ignore: decorator
@inline
function fold(h: u64, x: u64): u64 {
  h = (h ^ x) * PRIME_FOLD;
  return h ^ (h >> 29);
}

// @ts-ignore: decorator
@inline
function foldVector(h: u64, x: v128): u64 {
  return fold(fold(h, i64x2.extract_lane(x, 0)), i64x2.extract_lane(x, 1));
}

/** Puts the chains as they are before the first byte at `state`, 192 bytes. */
export function openHash(state: usize): void {
  for (let i = 0; i < 8; i++) v128.store(state + (<usize>i << 4), i32x4.add(i32x4.splat(4 * i), i32x4(1, 2, 3, 4)));
  memory.fill(state + 128, 0, 64);
}

/** Goes on with the chains at `state` by `bytes` more bytes at `at`, a multiple of 128. */
export function addToHash(state: usize, at: usize, bytes: usize): void {
  const end = at + bytes;
  let u0 = v128.load(state), u1 = v128.load(state, 16), u2 = v128.load(state, 32), u3 = v128.load(state, 48);
  let u4 = v128.load(state, 64), u5 = v128.load(state, 80), u6 = v128.load(state, 96), u7 = v128.load(state, 112);
  let s0 = v128.load(state, 128), s1 = v128.load(state, 144), s2 = v128.load(state, 160), s3 = v128.load(state, 176);
  for (; at < end; at += 128) {
    u0 = step(u0, v128.load(at));
    u1 = step(u1, v128.load(at, 16));
    u2 = step(u2, v128.load(at, 32));
    u3 = step(u3, v128.load(at, 48));
    u4 = step(u4, v128.load(at, 64));
    u5 = step(u5, v128.load(at, 80));
    u6 = step(u6, v128.load(at, 96));
    u7 = step(u7, v128.load(at, 112));
    s0 = i32x4.add(s0, i32x4.add(u0, u1));
    s1 = i32x4.add(s1, i32x4.add(u2, u3));
    s2 = i32x4.add(s2, i32x4.add(u4, u5));
    s3 = i32x4.add(s3, i32x4.add(u6, u7));
  }
  v128.store(state, u0);
  v128.store(state, u1, 16);
  v128.store(state, u2, 32);
  v128.store(state, u3, 48);
  v128.store(state, u4, 64);
  v128.store(state, u5, 80);
  v128.store(state, u6, 96);
  v128.store(state, u7, 112);
  v128.store(state, s0, 128);
  v128.store(state, s1, 144);
  v128.store(state, s2, 160);
  v128.store(state, s3, 176);
}

/**
 * The hash of `total` bytes, of which the last `bytes`, at `at`, have not gone into the chains at `state` yet. The chains
 * are of no use afterwards.
 */
export function closeHash(state: usize, at: usize, bytes: usize, total: usize): u64 {
  const whole = bytes & ~127;
  addToHash(state, at, whole);
  const end = at + bytes;
  const vectors = at + (bytes & ~15);
  let u0 = v128.load(state);
  let s0 = v128.load(state, 128);
  for (at += whole; at < vectors; at += 16) {
    u0 = step(u0, v128.load(at));
    s0 = i32x4.add(s0, u0);
  }
  let h = foldVector(fold(PRIME_FOLD, <u64>total), u0);
  for (let i: usize = 16; i < 128; i += 16) h = foldVector(h, v128.load(state + i));
  h = foldVector(h, s0);
  for (let i: usize = 144; i < 192; i += 16) h = foldVector(h, v128.load(state + i));
  for (; at < end; at++) h = fold(h, <u64>load<u8>(at));
  return fold(h ^ (h >> 32), PRIME_FOLD);
}

/** Hash of `bytes` bytes at `at` (a multiple of 16); `bytes` may be anything. */
export function hash64(at: usize, bytes: usize): u64 {
  const end = at + bytes;
  const blocks = at + (bytes & ~127);
  const vectors = at + (bytes & ~15);
  let u0 = i32x4(1, 2, 3, 4), u1 = i32x4(5, 6, 7, 8), u2 = i32x4(9, 10, 11, 12), u3 = i32x4(13, 14, 15, 16);
  let u4 = i32x4(17, 18, 19, 20), u5 = i32x4(21, 22, 23, 24), u6 = i32x4(25, 26, 27, 28), u7 = i32x4(29, 30, 31, 32);
  let s0 = i32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
  for (; at < blocks; at += 128) {
    u0 = step(u0, v128.load(at));
    u1 = step(u1, v128.load(at, 16));
    u2 = step(u2, v128.load(at, 32));
    u3 = step(u3, v128.load(at, 48));
    u4 = step(u4, v128.load(at, 64));
    u5 = step(u5, v128.load(at, 80));
    u6 = step(u6, v128.load(at, 96));
    u7 = step(u7, v128.load(at, 112));
    s0 = i32x4.add(s0, i32x4.add(u0, u1));
    s1 = i32x4.add(s1, i32x4.add(u2, u3));
    s2 = i32x4.add(s2, i32x4.add(u4, u5));
    s3 = i32x4.add(s3, i32x4.add(u6, u7));
  }
  for (; at < vectors; at += 16) {
    u0 = step(u0, v128.load(at));
    s0 = i32x4.add(s0, u0);
  }
  let h = fold(PRIME_FOLD, <u64>bytes);
  h = foldVector(foldVector(foldVector(foldVector(h, u0), u1), u2), u3);
  h = foldVector(foldVector(foldVector(foldVector(h, u4), u5), u6), u7);
  h = foldVector(foldVector(foldVector(foldVector(h, s0), s1), s2), s3);
  for (; at < end; at++) h = fold(h, <u64>load<u8>(at));
  return fold(h ^ (h >> 32), PRIME_FOLD);
}
