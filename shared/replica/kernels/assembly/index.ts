/**
 * The kernels' entry: SIMD loops over float32 arrays in one imported, shared memory. No data section, no allocation and
 * no state, so that any number of threads may instantiate the module over one memory at any time.
 *
 * Pointers are byte offsets, multiples of 16; `n` counts floats, a multiple of 4. Arithmetic is + - x / and square root
 * in float32, never fused or relaxed: the WebAssembly specification defines every bit of the result.
 */
export { add, fillZero, sumOfSquares, addSquares, closeSquares, allFinite } from './arrays';
export { sgd, momentum, nesterov, adam, average, movingAverage } from './optimizers';
export { encodeBf16, decodeBf16, addBf16, allFiniteBf16 } from './bf16';
export { encodeInt8, decodeInt8, addInt8 } from './int8';
export { hash64, openHash, addToHash, closeHash } from './hash';
