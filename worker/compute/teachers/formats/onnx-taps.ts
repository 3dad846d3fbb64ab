/**
 * Makes inner values of an ONNX model readable. A model gives what its graph lists as outputs, so taps are added to that
 * list, in the model's bytes in memory (names alone: their types follow from the graph). Pure.
 */
import type { OnnxNode } from '../../onnx/graph.js';
import { graphProto, modelProto, nodeProto, valueInfoProto } from '../../onnx/proto.js';
import { readNamedValues, type NamedValue } from '../../onnx/named-values.js';
import { bytesIn, textIn, textsIn } from '../../onnx/reader.js';
import { onnxPiece } from '../../onnx/write.js';
import { unknownTap } from './model-errors.js';
import type { WantedTaps } from './teacher.js';

/** A value that the recipe asks for as `name` and that the graph with its outputs knows as `value`. */
export interface OnnxTap {
  readonly name: string;
  readonly value: string;
  /** What it is made from, in a model that was turned into ONNX; such a tap has its axes in the order that it had. */
  readonly from?: NamedValue;
}

/**
 * Finds the values that are asked for by their own names or by those of the nodes that make them (their first outputs);
 * in a model that was turned into ONNX, by the names that it had. `all` asks for the first output of every node, in the
 * graph's order, which is from the input to the output.
 * @throws UserError 2 when the graph has no such value; RangeError when the bytes are no protobuf message
 */
export function findOnnxTaps(teacher: string, model: Uint8Array, wanted: WantedTaps): OnnxTap[] {
  const named = readNamedValues(model);
  return named === null ? findByNodes(teacher, model, wanted) : findByNames(teacher, named, wanted);
}

function findByNames(teacher: string, named: readonly NamedValue[], wanted: WantedTaps): OnnxTap[] {
  const taps = new Map(named.map((from, i) => [from.name, { name: from.name, value: `tap${i}`, from }]));
  if (wanted === 'all') return [...taps.values()];
  return wanted.map((name) => {
    const tap = taps.get(name);
    if (tap === undefined) throw unknownTap(teacher, name, [...taps.keys()]);
    return tap;
  });
}

function findByNodes(teacher: string, model: Uint8Array, wanted: WantedTaps): OnnxTap[] {
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
 * The model with the taps added to its outputs, but for those that are among them already.
 * @throws RangeError when the bytes are no protobuf message
 */
export function withOnnxOutputs(model: Uint8Array, taps: readonly OnnxTap[]): Uint8Array {
  const listed = new Set(
    bytesIn(model, modelProto.graph)
      .flatMap((graph) => bytesIn(graph, graphProto.output))
      .map((output) => textIn(output, valueInfoProto.name)),
  );
  const added = [...new Map(taps.map((tap) => [tap.value, tap])).values()].filter(({ value }) => !listed.has(value));
  if (added.length === 0) return model;
  const nodes = added.flatMap(({ value, from }) => (from === undefined ? [] : nodesFor(value, from)));
  return Buffer.concat([model, onnxPiece({ nodes, outputs: added.map(({ value }) => ({ name: value })) })]);
}

/** ONNX' number for float32. */
const float32 = 1;

/** The value as numbers with its axes in the order that it had; whole numbers and truths are numbers as well. */
function nodesFor(value: string, { value: source, perm }: NamedValue): OnnxNode[] {
  const cast = { op: 'Cast', outputs: [value], attributes: { to: float32 } };
  if (perm === undefined) return [{ ...cast, inputs: [source] }];
  const turned = `${value}.turned`;
  return [
    { op: 'Transpose', inputs: [source], outputs: [turned], attributes: { perm } },
    { ...cast, inputs: [turned] },
  ];
}
