/** ONNX models that reach for a file: one small model with a constant that lies elsewhere, in every place a tensor may stand. */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { writeOnnx } from '../../../../worker/compute/onnx/write.js';

type Field = readonly [number: number, value: number | string | Uint8Array];

/** A protobuf message of these fields. */
export function message(...fields: readonly Field[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const [number, value] of fields) {
    if (typeof value === 'number') writer.tag(number, WireType.Varint).int64(value);
    else if (typeof value === 'string') writer.tag(number, WireType.LengthDelimited).string(value);
    else writer.tag(number, WireType.LengthDelimited).bytes(value);
  }
  return writer.finish();
}

/** A float32 tensor [n] whose elements lie in that file. */
export function tensorIn(location: string, n: number, name = 'W'): Uint8Array {
  const entries = [
    ['location', location],
    ['offset', '0'],
    ['length', String(4 * n)],
  ] as const;
  return message(
    [1, n],
    [2, 1],
    [8, name],
    ...entries.map(([key, value]): Field => [13, message([1, key], [2, value])]),
    [14, 1],
  );
}

/** x [rows, n] + W [n], where W lies in that file. */
export function reachingModel(location: string, n: number): Uint8Array {
  const plain = writeOnnx({
    operatorSets: new Map([['', 17]]),
    graph: {
      nodes: [{ op: 'Add', inputs: ['x', 'W'], outputs: ['y'], attributes: {} }],
      constants: [],
      inputs: [{ name: 'x', type: 'float32', shape: ['rows', n] }],
      outputs: [{ name: 'y', type: 'float32', shape: ['rows', n] }],
    },
  });
  return Buffer.concat([plain, message([7, message([5, tensorIn(location, n)])])]);
}

const attribute = (number: number, value: Uint8Array, type: number): Uint8Array =>
  message([1, 'value'], [20, type], [number, value]);
const node = (...attributes: readonly Uint8Array[]): Uint8Array =>
  message([2, 'c'], [4, 'Constant'], ...attributes.map((one): Field => [5, one]));

/** A model with the tensor in each place where ONNX has tensors. */
export function placesOf(tensor: Uint8Array): Readonly<Record<string, Uint8Array>> {
  const inGraph = message([5, tensor]);
  const sparse = message([1, tensor], [2, tensor]);
  return {
    'an initialiser': message([7, inGraph]),
    'a sparse initialiser': message([7, message([15, sparse])]),
    'a constant node': message([7, message([1, node(attribute(5, tensor, 4))])]),
    'a list of tensors': message([7, message([1, node(attribute(10, tensor, 9))])]),
    'a sparse constant': message([7, message([1, node(attribute(22, sparse, 11))])]),
    'a list of sparse ones': message([7, message([1, node(attribute(23, sparse, 12))])]),
    'the body of an If': message([7, message([1, node(attribute(6, inGraph, 5))])]),
    'one of several bodies': message([7, message([1, node(attribute(11, inGraph, 10))])]),
    'a body within a body': message([
      7,
      message([1, node(attribute(6, message([1, node(attribute(6, inGraph, 5))]), 5))]),
    ]),
    'a function': message([25, message([7, node(attribute(5, tensor, 4))])]),
    "a function's default": message([25, message([11, attribute(5, tensor, 4)])]),
    'training information': message([20, message([1, inGraph])]),
    'a second piece of the graph': message([7, message([2, 'g'])], [7, inGraph]),
  };
}
