/**
 * Makes inner values of an ONNX model readable. A model gives what its graph lists as outputs, so taps are added to that
 * list, in the model's bytes in memory. A protobuf message may come in pieces, which a reader merges, so the piece with
 * the new outputs (names alone: their types follow from the graph) is put behind the model. Pure.
 */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { unknownTap } from './model-errors.js';
import type { WantedTaps } from './teacher.js';
import { graphProto, modelProto, nodeProto, valueInfoProto } from '../../onnx/proto.js';
import { bytesIn, textIn, textsIn } from '../../onnx/reader.js';

/** A value that the recipe asks for as `name` and that the graph knows as `value`. */
export interface OnnxTap {
  readonly name: string;
  readonly value: string;
}

/**
 * Finds the values that are asked for by their own names or by those of the nodes that make them (their first outputs).
 * `all` asks for the first output of every node, in the graph's order, which is from the input to the output.
 * @throws UserError 2 when the graph has no such value; RangeError when the bytes are no protobuf message
 */
export function findOnnxTaps(teacher: string, model: Uint8Array, wanted: WantedTaps): OnnxTap[] {
  const nodes = bytesIn(model, modelProto.graph)
    .flatMap((graph) => bytesIn(graph, graphProto.node))
    .map((node) => ({
      name: textIn(node, nodeProto.name),
      type: textIn(node, nodeProto.opType),
      outputs: textsIn(node, nodeProto.output),
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

/**
 * The model with the given values added to its outputs, but for those that are among them already.
 * @throws RangeError when the bytes are no protobuf message
 */
export function withOnnxOutputs(model: Uint8Array, values: readonly string[]): Uint8Array {
  const listed = new Set(
    bytesIn(model, modelProto.graph)
      .flatMap((graph) => bytesIn(graph, graphProto.output))
      .map((output) => textIn(output, valueInfoProto.name)),
  );
  const added = [...new Set(values)].filter((value) => !listed.has(value));
  if (added.length === 0) return model;
  const piece = new BinaryWriter().tag(modelProto.graph, WireType.LengthDelimited).fork();
  for (const value of added)
    piece
      .tag(graphProto.output, WireType.LengthDelimited)
      .fork()
      .tag(valueInfoProto.name, WireType.LengthDelimited)
      .string(value)
      .join();
  return Buffer.concat([model, piece.join().finish()]);
}
