/** Rows that are read together, so that they stay in the cache while the columns are gone through. */
export const tileRows = 256;

/**
 * out[c] = sum over rows of x[row, c], in float64 in `sums` [columns], row by row, rounded once.
 */
export function columnSums(x: usize, sums: usize, out: usize, rows: i32, columns: i32): void {
  addColumns(x, sums, rows, columns);
  for (let c = 0; c < columns; c++) store<f32>(out + ((<usize>c) << 2), <f32>load<f64>(sums + ((<usize>c) << 3)));
}

/** sums[c] = sum over rows of x[row, c] */
export function addColumns(x: usize, sums: usize, rows: i32, columns: i32): void {
  memory.fill(sums, 0, (<usize>columns) << 3);
  const stride = (<usize>columns) << 2;
  for (let from = 0; from < rows; from += tileRows) {
    const count = min(tileRows, rows - from);
    const tile = x + stride * <usize>from;
    const end = tile + stride * <usize>count;
    let c = 0;
    for (; c + 4 <= columns; c += 4) {
      const at = sums + ((<usize>c) << 3);
      let low = v128.load(at);
      let high = v128.load(at, 16);
      const start = (<usize>c) << 2;
      for (let row = tile; row < end; row += stride) {
        const values = v128.load(row + start);
        low = f64x2.add(low, f64x2.promote_low_f32x4(values));
        high = f64x2.add(high, f64x2.promote_low_f32x4(upper(values)));
      }
      v128.store(at, low);
      v128.store(at, high, 16);
    }
    for (; c < columns; c++) {
      const at = sums + ((<usize>c) << 3);
      let sum = load<f64>(at);
      for (let row = tile + ((<usize>c) << 2); row < end; row += stride) sum += <f64>load<f32>(row);
      store<f64>(at, sum);
    }
  }
}

/** The upper two lanes, in the place of the lower two. */
// @ts-ignore: decorator
@inline
export function upper(values: v128): v128 {
  return v128.shuffle<i32>(values, values, 2, 3, 2, 3);
}
