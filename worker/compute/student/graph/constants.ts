/** The elements of constants as numbers. Pure. */
import type { OnnxConstant } from '../../onnx/graph.js';

/** @throws Error for elements of 8-bit, 16-bit or unsigned types, which no setting of an operator has */
export function numbersOf({ name, type, bytes }: OnnxConstant): readonly number[] {
  // A copy: elements in a file may begin at any byte.
  const memory = new Uint8Array(bytes).buffer;
  switch (type) {
    case 'float32':
      return [...new Float32Array(memory)];
    case 'float64':
      return [...new Float64Array(memory)];
    case 'int32':
      return [...new Int32Array(memory)];
    case 'int64':
      return [...new BigInt64Array(memory)].map(Number);
    case 'bool':
      return [...bytes];
    default:
      throw new Error(`constant ${name}: elements of ${type}`);
  }
}
