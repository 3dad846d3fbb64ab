/** Element-wise sums and whole-array reductions. The order of every sum is fixed by `n` alone. */

/** dst[i] = dst[i] + src[i] */
export function add(dst: usize, src: usize, n: u32): void {
  const end = dst + ((<usize>n) << 2);
  const unrolled = dst + (((<usize>n) & ~15) << 2);
  while (dst < unrolled) {
    v128.store(dst, f32x4.add(v128.load(dst), v128.load(src)));
    v128.store(dst, f32x4.add(v128.load(dst, 16), v128.load(src, 16)), 16);
    v128.store(dst, f32x4.add(v128.load(dst, 32), v128.load(src, 32)), 32);
    v128.store(dst, f32x4.add(v128.load(dst, 48), v128.load(src, 48)), 48);
    dst += 64;
    src += 64;
  }
  while (dst < end) {
    v128.store(dst, f32x4.add(v128.load(dst), v128.load(src)));
    dst += 16;
    src += 16;
  }
}

/** dst[i] = +0 */
export function fillZero(dst: usize, n: u32): void {
  memory.fill(dst, 0, (<usize>n) << 2);
}

/**
 * sum of src[i]^2, in float64 (the square of a float32 is exact there). Four pairs of lanes, each over every eighth
 * element; then ((p0 + p1) + (p2 + p3)), low lane plus high lane.
 */
export function sumOfSquares(src: usize, n: u32): f64 {
  const end = src + ((<usize>n) << 2);
  const unrolled = src + (((<usize>n) & ~7) << 2);
  let p0 = f64x2.splat(0);
  let p1 = f64x2.splat(0);
  let p2 = f64x2.splat(0);
  let p3 = f64x2.splat(0);
  for (; src < unrolled; src += 32) {
    const a = v128.load(src);
    const b = v128.load(src, 16);
    p0 = f64x2.add(p0, squareLow(a));
    p1 = f64x2.add(p1, squareLow(high(a)));
    p2 = f64x2.add(p2, squareLow(b));
    p3 = f64x2.add(p3, squareLow(high(b)));
  }
  if (src < end) {
    const a = v128.load(src);
    p0 = f64x2.add(p0, squareLow(a));
    p1 = f64x2.add(p1, squareLow(high(a)));
  }
  const sum = f64x2.add(f64x2.add(p0, p1), f64x2.add(p2, p3));
  return f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1);
}

/** Goes on with the four pairs of `sumOfSquares` at `pairs`, 64 bytes, zero at first, by n elements more, a multiple of 8. */
export function addSquares(pairs: usize, src: usize, n: u32): void {
  const end = src + ((<usize>n) << 2);
  let p0 = v128.load(pairs);
  let p1 = v128.load(pairs, 16);
  let p2 = v128.load(pairs, 32);
  let p3 = v128.load(pairs, 48);
  for (; src < end; src += 32) {
    const a = v128.load(src);
    const b = v128.load(src, 16);
    p0 = f64x2.add(p0, squareLow(a));
    p1 = f64x2.add(p1, squareLow(high(a)));
    p2 = f64x2.add(p2, squareLow(b));
    p3 = f64x2.add(p3, squareLow(high(b)));
  }
  v128.store(pairs, p0);
  v128.store(pairs, p1, 16);
  v128.store(pairs, p2, 32);
  v128.store(pairs, p3, 48);
}

/** The sum of squares whose last n elements, any multiple of 4, have not gone into the pairs at `pairs` yet. */
export function closeSquares(pairs: usize, src: usize, n: u32): f64 {
  const whole = n & ~7;
  addSquares(pairs, src, whole);
  let p0 = v128.load(pairs);
  let p1 = v128.load(pairs, 16);
  if (whole < n) {
    const a = v128.load(src + ((<usize>whole) << 2));
    p0 = f64x2.add(p0, squareLow(a));
    p1 = f64x2.add(p1, squareLow(high(a)));
  }
  const sum = f64x2.add(f64x2.add(p0, p1), f64x2.add(v128.load(pairs, 32), v128.load(pairs, 48)));
  return f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1);
}

// @ts-ignore: decorator
@inline
function squareLow(x: v128): v128 {
  const wide = f64x2.promote_low_f32x4(x);
  return f64x2.mul(wide, wide);
}

// @ts-ignore: decorator
@inline
function high(x: v128): v128 {
  return i32x4.shuffle(x, x, 2, 3, 2, 3);
}

/** 1 where no element is infinite or NaN (an exponent of all ones), else 0. */
export function allFinite(src: usize, n: u32): i32 {
  const end = src + ((<usize>n) << 2);
  const exponent = i32x4.splat(0x7f800000);
  let found = i32x4.splat(0);
  for (; src < end; src += 16) {
    found = v128.or(found, i32x4.eq(v128.and(v128.load(src), exponent), exponent));
  }
  return v128.any_true(found) ? 0 : 1;
}
