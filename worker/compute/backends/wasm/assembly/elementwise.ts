/** dx[i] = dy[i] where y[i] > 0, else 0. */
export function reluGradient(y: usize, dy: usize, dx: usize, n: i32): void {
  const zero = f32x4.splat(0);
  const end = dx + ((<usize>n) << 2);
  const whole = dx + ((<usize>(n & ~3)) << 2);
  while (dx < whole) {
    v128.store(dx, v128.and(v128.load(dy), f32x4.gt(v128.load(y), zero)));
    y += 16;
    dy += 16;
    dx += 16;
  }
  while (dx < end) {
    store<f32>(dx, load<f32>(y) > 0 ? load<f32>(dy) : 0);
    y += 4;
    dy += 4;
    dx += 4;
  }
}
