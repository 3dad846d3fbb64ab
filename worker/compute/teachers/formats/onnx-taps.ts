/**
 * Makes inner values of an ONNX model readable: a model gives what its graph lists as outputs, so taps are listed too,
 * in the model's bytes in memory. A protobuf message may come in pieces, which a reader merges, so the piece with the
 * new outputs (names alone: their types follow from the graph) is put behind the model. Pure.
 */
import { fieldsOf, textOf } from './onnx-file.js';
import { unknownTap, type WantedTaps } from '../teacher.js';

/** Field numbers of onnx.proto3. */
const modelGraph = 7;
const graph = { node: 1, output: 12 } as const;
const node = { output: 2, name: 3, opType: 4 } as const;
const valueInfoName = 1;

/** Asked for as `name`, known to the graph as `value`. */
export interface OnnxTap {
  readonly name: string;
  readonly value: string;
}

/**
 * The values that are asked for by their own names or by those of the nodes that make them (their first outputs).
 * `all`: the first output of every node, in the graph's order, which is from the input to the output.
 * @throws UserError 2 when the graph has no such value
 */
export function findOnnxTaps(teacher: string, model: Uint8Array, wanted: WantedTaps): OnnxTap[] {
  const nodes = fieldsOf(model, modelGraph)
    .flatMap(({ bytes }) => fieldsOf(bytes, graph.node))
    .map(({ bytes }) => ({
      name: textOf(bytes, node.name),
      type: textOf(bytes, node.opType),
      outputs: fieldsOf(bytes, node.output).map((one) => new TextDecoder().decode(one.bytes)),
    }));
  const values = new Map(
    nodes.flatMap(({ outputs }) => outputs.filter((value) => value !== '').map((value) => [value, value] as const)),
  );
  const byNode = new Map(
    nodes.flatMap(({ name, outputs: [value = ''] }) => (name === '' || value === '' ? [] : [[name, value] as const])),
  );
  if (wanted === 'all')
    return nodes
      .filter(({ type }) => type !== 'Constant')
      .flatMap(({ outputs: [value = ''] }) => (value === '' ? [] : [{ name: value, value }]));
  return wanted.map((name) => {
    const value = values.get(name) ?? byNode.get(name);
    if (value === undefined) throw unknownTap(teacher, name, [...values.keys(), ...byNode.keys()]);
    return { name, value };
  });
}

/** The model with the values that are not among its outputs added to them. */
export function withOnnxOutputs(model: Uint8Array, values: readonly string[]): Uint8Array {
  const listed = new Set(
    fieldsOf(model, modelGraph)
      .flatMap(({ bytes }) => fieldsOf(bytes, graph.output))
      .map(({ bytes }) => textOf(bytes, valueInfoName)),
  );
  const added = [...new Set(values)].filter((value) => !listed.has(value));
  if (added.length === 0) return model;
  const outputs = added.map((value) => message(graph.output, message(valueInfoName, new TextEncoder().encode(value))));
  return Buffer.concat([model, message(modelGraph, Buffer.concat(outputs))]);
}

/** A length-delimited field. */
function message(number: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([...varint(number * 8 + 2), ...varint(bytes.length)]), bytes]);
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
}
