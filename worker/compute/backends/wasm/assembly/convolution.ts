/**
 * The gradient of a convolution's filter, image by image, in blocks of 4 input x 8 output channels that stay in
 * registers:
 *
 *   dw[r, s, c, k] = sum over b, p, q of x[b, p stride + r - top, q stride + s - left, c] dy[b, p, q, k]
 *
 * x [batch, height, width, inputs], dy [batch, rows, columns, outputs], dw [filterHeight, filterWidth, inputs,
 * outputs].
 */
export function filterGradient(
  x: usize, dy: usize, dw: usize, batch: i32, height: i32, width: i32, inputs: i32, rows: i32, columns: i32, outputs: i32,
  filterHeight: i32, filterWidth: i32, strideHeight: i32, strideWidth: i32, top: i32, left: i32,
): void {
  const line = ((<usize>width) * <usize>inputs) << 2;
  const outLine = ((<usize>columns) * <usize>outputs) << 2;
  const tap = ((<usize>inputs) * <usize>outputs) << 2;
  memory.fill(dw, 0, tap * <usize>(filterHeight * filterWidth));
  for (let b = 0; b < batch; b++) {
    let target = dw;
    for (let r = 0; r < filterHeight; r++) {
      const fromRow = firstInside(top - r, strideHeight);
      const toRow = firstInside(height + top - r, strideHeight);
      const countRows = min(rows, toRow) - fromRow;
      for (let s = 0; s < filterWidth; s++) {
        const fromColumn = firstInside(left - s, strideWidth);
        const toColumn = firstInside(width + left - s, strideWidth);
        const countColumns = min(columns, toColumn) - fromColumn;
        if (countRows > 0 && countColumns > 0) {
          const xAt = x + line * <usize>(fromRow * strideHeight + r - top) + (((<usize>(fromColumn * strideWidth + s - left)) * <usize>inputs) << 2);
          const dyAt = dy + outLine * <usize>fromRow + (((<usize>fromColumn) * <usize>outputs) << 2);
          oneTap(xAt, dyAt, target, countRows, countColumns, inputs, outputs, line * <usize>strideHeight, outLine, strideWidth);
        }
        target += tap;
      }
    }
    x += line * <usize>height;
    dy += outLine * <usize>rows;
  }
}

/** The first p >= 0 with p stride >= offset. */
// @ts-ignore: decorator
@inline
function firstInside(offset: i32, stride: i32): i32 {
  return offset <= 0 ? 0 : (offset + stride - 1) / stride;
}

/** One filter position: dw[c, k] += sum over the given positions of x[.., c] dy[.., k]. Steps are in bytes. */
function oneTap(x: usize, dy: usize, dw: usize, rows: i32, columns: i32, inputs: i32, outputs: i32, line: usize, outLine: usize, strideWidth: i32): void {
  const pixel = ((<usize>inputs) << 2) * <usize>strideWidth;
  const outPixel = (<usize>outputs) << 2;
  const span = outPixel * <usize>columns;
  let k = 0;
  for (; k + 8 <= outputs; k += 8) {
    const lanes = (<usize>k) << 2;
    let c = 0;
    for (; c + 4 <= inputs; c += 4) block4x8(x + ((<usize>c) << 2), dy + lanes, dw + outPixel * <usize>c + lanes, rows, span, line, outLine, pixel, outPixel);
    for (; c < inputs; c++) block1x8(x + ((<usize>c) << 2), dy + lanes, dw + outPixel * <usize>c + lanes, rows, span, line, outLine, pixel, outPixel);
  }
  for (; k < outputs; k++) {
    const lane = (<usize>k) << 2;
    for (let c = 0; c < inputs; c++) block1x1(x + ((<usize>c) << 2), dy + lane, dw + outPixel * <usize>c + lane, rows, span, line, outLine, pixel, outPixel);
  }
}

// @ts-ignore: decorator
@inline
function block4x8(x: usize, dy: usize, dw: usize, rows: i32, span: usize, line: usize, outLine: usize, pixel: usize, outPixel: usize): void {
  let a0 = v128.load(dw);
  let a1 = v128.load(dw, 16);
  let b0 = v128.load(dw + outPixel);
  let b1 = v128.load(dw + outPixel, 16);
  let c0 = v128.load(dw + 2 * outPixel);
  let c1 = v128.load(dw + 2 * outPixel, 16);
  let d0 = v128.load(dw + 3 * outPixel);
  let d1 = v128.load(dw + 3 * outPixel, 16);
  for (let p = 0; p < rows; p++) {
    let xAt = x;
    const end = dy + span;
    for (let at = dy; at < end; at += outPixel) {
      const low = v128.load(at);
      const high = v128.load(at, 16);
      let one = v128.load_splat<f32>(xAt);
      a0 = f32x4.add(a0, f32x4.mul(one, low));
      a1 = f32x4.add(a1, f32x4.mul(one, high));
      one = v128.load_splat<f32>(xAt, 4);
      b0 = f32x4.add(b0, f32x4.mul(one, low));
      b1 = f32x4.add(b1, f32x4.mul(one, high));
      one = v128.load_splat<f32>(xAt, 8);
      c0 = f32x4.add(c0, f32x4.mul(one, low));
      c1 = f32x4.add(c1, f32x4.mul(one, high));
      one = v128.load_splat<f32>(xAt, 12);
      d0 = f32x4.add(d0, f32x4.mul(one, low));
      d1 = f32x4.add(d1, f32x4.mul(one, high));
      xAt += pixel;
    }
    x += line;
    dy += outLine;
  }
  v128.store(dw, a0);
  v128.store(dw, a1, 16);
  v128.store(dw + outPixel, b0);
  v128.store(dw + outPixel, b1, 16);
  v128.store(dw + 2 * outPixel, c0);
  v128.store(dw + 2 * outPixel, c1, 16);
  v128.store(dw + 3 * outPixel, d0);
  v128.store(dw + 3 * outPixel, d1, 16);
}

// @ts-ignore: decorator
@inline
function block1x8(x: usize, dy: usize, dw: usize, rows: i32, span: usize, line: usize, outLine: usize, pixel: usize, outPixel: usize): void {
  let low = v128.load(dw);
  let high = v128.load(dw, 16);
  for (let p = 0; p < rows; p++) {
    let xAt = x;
    const end = dy + span;
    for (let at = dy; at < end; at += outPixel) {
      const one = v128.load_splat<f32>(xAt);
      low = f32x4.add(low, f32x4.mul(one, v128.load(at)));
      high = f32x4.add(high, f32x4.mul(one, v128.load(at, 16)));
      xAt += pixel;
    }
    x += line;
    dy += outLine;
  }
  v128.store(dw, low);
  v128.store(dw, high, 16);
}

// @ts-ignore: decorator
@inline
function block1x1(x: usize, dy: usize, dw: usize, rows: i32, span: usize, line: usize, outLine: usize, pixel: usize, outPixel: usize): void {
  let sum = load<f32>(dw);
  for (let p = 0; p < rows; p++) {
    let xAt = x;
    const end = dy + span;
    for (let at = dy; at < end; at += outPixel) {
      sum += load<f32>(xAt) * load<f32>(at);
      xAt += pixel;
    }
    x += line;
    dy += outLine;
  }
  store<f32>(dw, sum);
}
