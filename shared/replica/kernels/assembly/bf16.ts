/**
 * Gradients as bf16, the upper half of a float32: 2 bytes an element, rounded to nearest, ties to even. What rounds
 * beyond the largest bf16 becomes infinite, as it does in hardware; every NaN becomes 0x7fc0. Numbers too small to be
 * normal are rounded like any other. Rounding what is rounded changes nothing.
 */

/** Four float32 to the bits of their bf16, in the lower halves of four words. */
// @ts-ignore: decorator
@inline
function round4(x: v128): v128 {
  const odd = v128.and(i32x4.shr_u(x, 16), i32x4.splat(1));
  const rounded = i32x4.shr_u(i32x4.add(i32x4.add(x, i32x4.splat(0x7fff)), odd), 16);
  return v128.bitselect(i32x4.splat(0x7fc0), rounded, f32x4.ne(x, x));
}

/** Eight words of 16 bits, as they lie in memory. */
// @ts-ignore: decorator
@inline
function pack(low: v128, high: v128): v128 {
  return i16x8.narrow_i32x4_u(low, high);
}

// @ts-ignore: decorator
@inline
function wideLow(halves: v128): v128 {
  return i32x4.shl(i32x4.extend_low_i16x8_u(halves), 16);
}

// @ts-ignore: decorator
@inline
function wideHigh(halves: v128): v128 {
  return i32x4.shl(i32x4.extend_high_i16x8_u(halves), 16);
}

/** dst (bf16) = src (float32) rounded, zeros to a multiple of 16 bytes behind it */
export function encodeBf16(dst: usize, src: usize, n: u32): void {
  v128.store(dst + ((((<usize>n) << 1) - 1) & ~15), i64x2.splat(0));
  const end = src + ((<usize>n) << 2);
  const paired = src + (((<usize>n) & ~7) << 2);
  for (; src < paired; src += 32, dst += 16) v128.store(dst, pack(round4(v128.load(src)), round4(v128.load(src, 16))));
  if (src < end) {
    const rounded = round4(v128.load(src));
    v128.store64_lane(dst, pack(rounded, rounded), 0);
  }
}

/** dst (float32) = src (bf16) */
export function decodeBf16(dst: usize, src: usize, n: u32): void {
  const end = dst + ((<usize>n) << 2);
  const paired = dst + (((<usize>n) & ~7) << 2);
  for (; dst < paired; dst += 32, src += 16) {
    const halves = v128.load(src);
    v128.store(dst, wideLow(halves));
    v128.store(dst, wideHigh(halves), 16);
  }
  if (dst < end) v128.store(dst, wideLow(v128.load64_zero(src)));
}

/** dst = dst + src rounded, all bf16; the sum is taken in float32 */
export function addBf16(dst: usize, src: usize, n: u32): void {
  const end = dst + ((<usize>n) << 1);
  const paired = dst + (((<usize>n) & ~7) << 1);
  for (; dst < paired; dst += 16, src += 16) {
    const a = v128.load(dst);
    const b = v128.load(src);
    v128.store(dst, pack(round4(f32x4.add(wideLow(a), wideLow(b))), round4(f32x4.add(wideHigh(a), wideHigh(b)))));
  }
  if (dst < end) {
    const rounded = round4(f32x4.add(wideLow(v128.load64_zero(dst)), wideLow(v128.load64_zero(src))));
    v128.store64_lane(dst, pack(rounded, rounded), 0);
  }
}

/** 1 where no element is infinite or NaN, else 0. */
export function allFiniteBf16(src: usize, n: u32): i32 {
  const end = src + ((<usize>n) << 1);
  const paired = src + (((<usize>n) & ~7) << 1);
  const exponent = i16x8.splat(0x7f80);
  let found = i16x8.splat(0);
  for (; src < paired; src += 16) found = v128.or(found, i16x8.eq(v128.and(v128.load(src), exponent), exponent));
  if (src < end) found = v128.or(found, i16x8.eq(v128.and(v128.load64_zero(src), exponent), exponent));
  return v128.any_true(found) ? 0 : 1;
}
