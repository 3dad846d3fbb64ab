/**
 * Gradients as int8 with a float32 scale for each block of 128 elements (the last block may be short). For a block
 * whose largest magnitude is m:
 *
 *   scale = m / 127, rounded up to 17 significant bits      code = round(x x (1 / scale)), ties to even, in [-127, 127]
 *
 * With 17 bits every code x scale is exact in float32, the largest element gets the code 127, and encoding what was
 * decoded gives the same bytes. m below 127 x 2^-126 (1.5e-36) is zero: scale and codes are 0. m of 2^127 or more,
 * infinite or NaN: the scale is infinite and the codes are 0, so that the block decodes to NaN and is found where
 * gradients are checked.
 */

const BLOCK: usize = 128;
/** 1.5 x 2^23: added to a number below 2^22, it leaves the number's nearest integer in the lowest bits. */
const MAGIC: f32 = 12582912;
const LEAST: u32 = 0x03fe0000;
const MOST: u32 = 0x7f000000;
const INFINITY_BITS: u32 = 0x7f800000;

// @ts-ignore: decorator
@inline
function magnitude(x: v128): v128 {
  return v128.and(x, i32x4.splat(0x7fffffff));
}

/**
 * The scale of a block, from its largest magnitudes in four lanes. Their bits are compared as integers, which are
 * ordered as the numbers are, with infinity and then NaN above all.
 */
// @ts-ignore: decorator
@inline
function scaleOf(largest: v128): f32 {
  const pairs = i32x4.max_u(largest, i32x4.shuffle(largest, largest, 2, 3, 0, 1));
  const bits = <u32>i32x4.extract_lane(i32x4.max_u(pairs, i32x4.shuffle(pairs, pairs, 1, 0, 3, 2)), 0);
  if (bits < LEAST) return 0;
  if (bits >= MOST) return reinterpret<f32>(INFINITY_BITS);
  return reinterpret<f32>((reinterpret<u32>(reinterpret<f32>(bits) / <f32>127) + 0x7f) & ~0x7f);
}

/** The factor that turns elements into codes; 0 for a block whose codes are all 0. */
// @ts-ignore: decorator
@inline
function inverseOf(scale: f32): f32 {
  return scale == 0 || reinterpret<u32>(scale) == INFINITY_BITS ? <f32>0 : <f32>1 / scale;
}

/** Codes of four elements, as words; the mask makes those of an infinite block 0. */
// @ts-ignore: decorator
@inline
function codes4(x: v128, inverse: v128, mask: v128): v128 {
  return v128.and(i32x4.sub(f32x4.add(f32x4.mul(x, inverse), f32x4.splat(MAGIC)), i32x4.splat(0x4b400000)), mask);
}

// @ts-ignore: decorator
@inline
function pack(a: v128, b: v128, c: v128, d: v128): v128 {
  return i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d));
}

/** Elements of four codes, given as words. */
// @ts-ignore: decorator
@inline
function decoded(words: v128, scale: v128): v128 {
  return f32x4.mul(f32x4.convert_i32x4_s(words), scale);
}

/** Words of the codes 0..3, 4..7, 8..11 or 12..15 of a vector of 16. */
// @ts-ignore: decorator
@inline
function words0(codes: v128): v128 {
  return i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(codes));
}

// @ts-ignore: decorator
@inline
function words1(codes: v128): v128 {
  return i32x4.extend_high_i16x8_s(i16x8.extend_low_i8x16_s(codes));
}

// @ts-ignore: decorator
@inline
function words2(codes: v128): v128 {
  return i32x4.extend_low_i16x8_s(i16x8.extend_high_i8x16_s(codes));
}

// @ts-ignore: decorator
@inline
function words3(codes: v128): v128 {
  return i32x4.extend_high_i16x8_s(i16x8.extend_high_i8x16_s(codes));
}

/** Sums of four elements each of two blocks. */
// @ts-ignore: decorator
@inline
function sum4(a: v128, scaleA: v128, b: v128, scaleB: v128): v128 {
  return f32x4.add(decoded(a, scaleA), decoded(b, scaleB));
}

// @ts-ignore: decorator
@inline
function maskOf(scale: f32): v128 {
  return i32x4.splat(inverseOf(scale) == 0 ? 0 : -1);
}

/** codes and scales = src (float32) rounded, zeros to a multiple of 16 bytes behind either */
export function encodeInt8(codes: usize, scales: usize, src: usize, n: u32): void {
  v128.store(codes + (((<usize>n) - 1) & ~15), i64x2.splat(0));
  v128.store(scales + ((((<usize>n) - 1) / BLOCK * 4) & ~15), i64x2.splat(0));
  const end = codes + <usize>n;
  while (codes < end) {
    const last = codes + BLOCK < end ? codes + BLOCK : end;
    const scale = encodeScale(src, last - codes);
    store<f32>(scales, scale);
    const inverse = f32x4.splat(inverseOf(scale));
    const mask = maskOf(scale);
    for (; codes + 16 <= last; codes += 16, src += 64) {
      const low = codes4(v128.load(src), inverse, mask);
      const middle = codes4(v128.load(src, 16), inverse, mask);
      const upper = codes4(v128.load(src, 32), inverse, mask);
      v128.store(codes, pack(low, middle, upper, codes4(v128.load(src, 48), inverse, mask)));
    }
    for (; codes < last; codes += 4, src += 16) {
      const words = codes4(v128.load(src), inverse, mask);
      v128.store32_lane(codes, pack(words, words, words, words), 0);
    }
    scales += 4;
  }
}

// @ts-ignore: decorator
@inline
function encodeScale(src: usize, n: usize): f32 {
  const end = src + (n << 2);
  let largest = i32x4.splat(0);
  for (; src < end; src += 16) largest = i32x4.max_u(largest, magnitude(v128.load(src)));
  return scaleOf(largest);
}

/** dst (float32) = codes x scales */
export function decodeInt8(dst: usize, codes: usize, scales: usize, n: u32): void {
  const end = codes + <usize>n;
  while (codes < end) {
    const last = codes + BLOCK < end ? codes + BLOCK : end;
    const scale = v128.load32_splat(scales);
    for (; codes + 16 <= last; codes += 16, dst += 64) {
      const vector = v128.load(codes);
      v128.store(dst, decoded(words0(vector), scale));
      v128.store(dst, decoded(words1(vector), scale), 16);
      v128.store(dst, decoded(words2(vector), scale), 32);
      v128.store(dst, decoded(words3(vector), scale), 48);
    }
    for (; codes < last; codes += 4, dst += 16) v128.store(dst, decoded(words0(v128.load32_zero(codes)), scale));
    scales += 4;
  }
}

/** codes and scales = their elements plus those of otherCodes and otherScales, rounded; sums are taken in float32 */
export function addInt8(codes: usize, scales: usize, otherCodes: usize, otherScales: usize, n: u32): void {
  const end = codes + <usize>n;
  while (codes < end) {
    const last = codes + BLOCK < end ? codes + BLOCK : end;
    const scaleA = v128.load32_splat(scales);
    const scaleB = v128.load32_splat(otherScales);
    const scale = sumScale(codes, otherCodes, scaleA, scaleB, last - codes);
    store<f32>(scales, scale);
    const inverse = f32x4.splat(inverseOf(scale));
    const mask = maskOf(scale);
    for (; codes + 16 <= last; codes += 16, otherCodes += 16) {
      const a = v128.load(codes);
      const b = v128.load(otherCodes);
      const c0 = codes4(sum4(words0(a), scaleA, words0(b), scaleB), inverse, mask);
      const c1 = codes4(sum4(words1(a), scaleA, words1(b), scaleB), inverse, mask);
      const c2 = codes4(sum4(words2(a), scaleA, words2(b), scaleB), inverse, mask);
      const c3 = codes4(sum4(words3(a), scaleA, words3(b), scaleB), inverse, mask);
      v128.store(codes, pack(c0, c1, c2, c3));
    }
    for (; codes < last; codes += 4, otherCodes += 4) {
      const words = codes4(sum4(words0(v128.load32_zero(codes)), scaleA, words0(v128.load32_zero(otherCodes)), scaleB), inverse, mask);
      v128.store32_lane(codes, pack(words, words, words, words), 0);
    }
    scales += 4;
    otherScales += 4;
  }
}

// @ts-ignore: decorator
@inline
function sumScale(codes: usize, otherCodes: usize, scaleA: v128, scaleB: v128, n: usize): f32 {
  const end = codes + n;
  let largest = i32x4.splat(0);
  let other = i32x4.splat(0);
  for (; codes + 16 <= end; codes += 16, otherCodes += 16) {
    const a = v128.load(codes);
    const b = v128.load(otherCodes);
    largest = i32x4.max_u(largest, magnitude(sum4(words0(a), scaleA, words0(b), scaleB)));
    other = i32x4.max_u(other, magnitude(sum4(words1(a), scaleA, words1(b), scaleB)));
    largest = i32x4.max_u(largest, magnitude(sum4(words2(a), scaleA, words2(b), scaleB)));
    other = i32x4.max_u(other, magnitude(sum4(words3(a), scaleA, words3(b), scaleB)));
  }
  for (; codes < end; codes += 4, otherCodes += 4) {
    largest = i32x4.max_u(largest, magnitude(sum4(words0(v128.load32_zero(codes)), scaleA, words0(v128.load32_zero(otherCodes)), scaleB)));
  }
  return scaleOf(i32x4.max_u(largest, other));
}
