/**
 * Batch normalisation over rows of [rows, columns]. Sums are taken in float64, row by row, and rounded once; the
 * element-wise passes are float32.
 */
import { addColumns, tileRows, upper } from './sums';

/** mean[c] and biased variance[c]; `sums`: float64 [2 x columns] to work in. The variance is taken around the mean. */
export function normMoments(x: usize, sums: usize, mean: usize, variance: usize, rows: i32, columns: i32): void {
  addColumns(x, sums, rows, columns);
  const squares = sums + ((<usize>columns) << 3);
  for (let c = 0; c < columns; c++) {
    const at = sums + ((<usize>c) << 3);
    store<f64>(at, load<f64>(at) / <f64>rows);
    store<f32>(mean + ((<usize>c) << 2), <f32>load<f64>(at));
  }
  addSquares(x, sums, squares, rows, columns);
  for (let c = 0; c < columns; c++) store<f32>(variance + ((<usize>c) << 2), <f32>(load<f64>(squares + ((<usize>c) << 3)) / <f64>rows));
}

/** squares[c] = sum over rows of (x[row, c] - mean[c])^2; mean in float64. */
function addSquares(x: usize, mean: usize, squares: usize, rows: i32, columns: i32): void {
  memory.fill(squares, 0, (<usize>columns) << 3);
  const stride = (<usize>columns) << 2;
  for (let from = 0; from < rows; from += tileRows) {
    const tile = x + stride * <usize>from;
    const end = tile + stride * <usize>min(tileRows, rows - from);
    let c = 0;
    for (; c + 4 <= columns; c += 4) {
      const wide = (<usize>c) << 3;
      const meanLow = v128.load(mean + wide);
      const meanHigh = v128.load(mean + wide, 16);
      let low = v128.load(squares + wide);
      let high = v128.load(squares + wide, 16);
      for (let at = tile + ((<usize>c) << 2); at < end; at += stride) {
        const values = v128.load(at);
        const a = f64x2.sub(f64x2.promote_low_f32x4(values), meanLow);
        const b = f64x2.sub(f64x2.promote_low_f32x4(upper(values)), meanHigh);
        low = f64x2.add(low, f64x2.mul(a, a));
        high = f64x2.add(high, f64x2.mul(b, b));
      }
      v128.store(squares + wide, low);
      v128.store(squares + wide, high, 16);
    }
    for (; c < columns; c++) {
      const wide = (<usize>c) << 3;
      let sum = load<f64>(squares + wide);
      for (let at = tile + ((<usize>c) << 2); at < end; at += stride) {
        const a = <f64>load<f32>(at) - load<f64>(mean + wide);
        sum += a * a;
      }
      store<f64>(squares + wide, sum);
    }
  }
}

/** y = (x - mean) scale + shift, by column. */
export function normForward(x: usize, mean: usize, scale: usize, shift: usize, y: usize, rows: i32, columns: i32): void {
  for (let row = 0; row < rows; row++) {
    let c = 0;
    for (; c + 4 <= columns; c += 4) {
      const at = (<usize>c) << 2;
      const centred = f32x4.sub(v128.load(x + at), v128.load(mean + at));
      v128.store(y + at, f32x4.add(f32x4.mul(centred, v128.load(scale + at)), v128.load(shift + at)));
    }
    for (; c < columns; c++) {
      const at = (<usize>c) << 2;
      store<f32>(y + at, (load<f32>(x + at) - load<f32>(mean + at)) * load<f32>(scale + at) + load<f32>(shift + at));
    }
    x += (<usize>columns) << 2;
    y += (<usize>columns) << 2;
  }
}

/** sums[c] = sum over rows of dy[row, c], products[c] = sum over rows of dy[row, c] (x[row, c] - mean[c]); float64. */
export function normSums(x: usize, dy: usize, mean: usize, sums: usize, products: usize, rows: i32, columns: i32): void {
  addColumns(dy, sums, rows, columns);
  memory.fill(products, 0, (<usize>columns) << 3);
  const stride = (<usize>columns) << 2;
  const ahead = dy - x;
  for (let from = 0; from < rows; from += tileRows) {
    const tile = x + stride * <usize>from;
    const end = tile + stride * <usize>min(tileRows, rows - from);
    let c = 0;
    for (; c + 4 <= columns; c += 4) {
      const wide = (<usize>c) << 3;
      const means = v128.load(mean + ((<usize>c) << 2));
      let low = v128.load(products + wide);
      let high = v128.load(products + wide, 16);
      for (let at = tile + ((<usize>c) << 2); at < end; at += stride) {
        const product = f32x4.mul(v128.load(at + ahead), f32x4.sub(v128.load(at), means));
        low = f64x2.add(low, f64x2.promote_low_f32x4(product));
        high = f64x2.add(high, f64x2.promote_low_f32x4(upper(product)));
      }
      v128.store(products + wide, low);
      v128.store(products + wide, high, 16);
    }
    for (; c < columns; c++) {
      const wide = (<usize>c) << 3;
      let sum = load<f64>(products + wide);
      const own = load<f32>(mean + ((<usize>c) << 2));
      for (let at = tile + ((<usize>c) << 2); at < end; at += stride) sum += <f64>(load<f32>(at + ahead) * (load<f32>(at) - own));
      store<f64>(products + wide, sum);
    }
  }
}

/** dx = a dy - b - c (x - mean), by column. */
export function normGradient(x: usize, dy: usize, mean: usize, a: usize, b: usize, c: usize, dx: usize, rows: i32, columns: i32): void {
  for (let row = 0; row < rows; row++) {
    let i = 0;
    for (; i + 4 <= columns; i += 4) {
      const at = (<usize>i) << 2;
      const centred = f32x4.sub(v128.load(x + at), v128.load(mean + at));
      const own = f32x4.sub(f32x4.mul(v128.load(a + at), v128.load(dy + at)), v128.load(b + at));
      v128.store(dx + at, f32x4.sub(own, f32x4.mul(v128.load(c + at), centred)));
    }
    for (; i < columns; i++) {
      const at = (<usize>i) << 2;
      const own = load<f32>(a + at) * load<f32>(dy + at) - load<f32>(b + at);
      store<f32>(dx + at, own - load<f32>(c + at) * (load<f32>(x + at) - load<f32>(mean + at)));
    }
    x += (<usize>columns) << 2;
    dy += (<usize>columns) << 2;
    dx += (<usize>columns) << 2;
  }
}
