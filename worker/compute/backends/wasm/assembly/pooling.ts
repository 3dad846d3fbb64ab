/**
 * The gradient of max pooling: each window's dy goes to its first largest element. x and dx [batch, height, width,
 * channels], dy [batch, rows, columns, channels]; windows end at the image's edges.
 */
export function maxPoolGradient(
  x: usize, dy: usize, dx: usize, batch: i32, height: i32, width: i32, channels: i32, rows: i32, columns: i32,
  windowHeight: i32, windowWidth: i32, strideHeight: i32, strideWidth: i32, top: i32, left: i32,
): void {
  const pixel = (<usize>channels) << 2;
  const line = pixel * <usize>width;
  const image = line * <usize>height;
  memory.fill(dx, 0, image * <usize>batch);
  for (let b = 0; b < batch; b++) {
    for (let p = 0; p < rows; p++) {
      const h = p * strideHeight - top;
      const fromRow = max(0, h);
      const windowRows = min(height, h + windowHeight) - fromRow;
      for (let q = 0; q < columns; q++) {
        const w = q * strideWidth - left;
        const fromColumn = max(0, w);
        const windowColumns = min(width, w + windowWidth) - fromColumn;
        const start = image * <usize>b + line * <usize>fromRow + pixel * <usize>fromColumn;
        routeWindow(x + start, dy, dx + start, windowRows, windowColumns, line, channels);
        dy += pixel;
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function routeWindow(x: usize, dy: usize, dx: usize, rows: i32, columns: i32, line: usize, channels: i32): void {
  const pixel = (<usize>channels) << 2;
  let c = 0;
  for (; c + 4 <= channels; c += 4) {
    const lanes = (<usize>c) << 2;
    let largest = f32x4.splat(-Infinity);
    let place = i32x4.splat(-1);
    let i = 0;
    for (let r = 0; r < rows; r++) {
      let at = x + line * <usize>r + lanes;
      for (let s = 0; s < columns; s++) {
        const value = v128.load(at);
        const isLarger = f32x4.gt(value, largest);
        largest = v128.bitselect(value, largest, isLarger);
        place = v128.bitselect(i32x4.splat(i), place, isLarger);
        at += pixel;
        i++;
      }
    }
    const gradient = v128.load(dy + lanes);
    i = 0;
    for (let r = 0; r < rows; r++) {
      let at = dx + line * <usize>r + lanes;
      for (let s = 0; s < columns; s++) {
        v128.store(at, f32x4.add(v128.load(at), v128.and(gradient, i32x4.eq(place, i32x4.splat(i)))));
        at += pixel;
        i++;
      }
    }
  }
  for (; c < channels; c++) {
    const lane = (<usize>c) << 2;
    let largest: f32 = -Infinity;
    let place: usize = usize.MAX_VALUE;
    for (let r = 0; r < rows; r++) {
      let at = line * <usize>r + lane;
      for (let s = 0; s < columns; s++) {
        const value = load<f32>(x + at);
        if (value > largest) {
          largest = value;
          place = at;
        }
        at += pixel;
      }
    }
    if (place != usize.MAX_VALUE) store<f32>(dx + place, load<f32>(dx + place) + load<f32>(dy + lane));
  }
}
