/**
 * Writes an ONNX model's file: IR version 8. The values of constants are copied once, into the file; everything around
 * them is small. Pure.
 */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { Attribute, OnnxConstant, OnnxGraph, OnnxModel, OnnxNode, OnnxValue } from './graph.js';
import {
  attributeProto,
  attributeTypes,
  dataTypes,
  dimensionProto,
  graphProto,
  modelProto,
  nodeProto,
  operatorSetProto,
  stringStringEntryProto,
  tensorProto,
  tensorShapeProto,
  tensorTypeProto,
  typeProto,
  valueInfoProto,
} from './proto.js';

const irVersion = 8;

/** The operator set of the graphs that this program makes. */
export const ownOperatorSets: OnnxModel['operatorSets'] = new Map([['', 17]]);

/** The bytes of the model's file. */
export function writeOnnx({ graph, operatorSets, metadata = {} }: OnnxModel): Uint8Array {
  const { nodes, constants, inputs, outputs } = graph;
  const before = new BinaryWriter();
  for (const node of nodes) message(before, graphProto.node, () => writeNode(before, node));
  text(before, graphProto.name, 'student');
  const behind = new BinaryWriter();
  for (const value of inputs) message(behind, graphProto.input, () => writeValueInfo(behind, value));
  for (const value of outputs) message(behind, graphProto.output, () => writeValueInfo(behind, value));
  const pieces = [before.finish(), ...constants.flatMap(tensorPieces), behind.finish()];
  const head = new BinaryWriter();
  integer(head, modelProto.irVersion, irVersion);
  text(head, modelProto.producerName, 'stillhouse');
  head.tag(modelProto.graph, WireType.LengthDelimited).uint32(lengthOf(pieces));
  const tail = new BinaryWriter();
  for (const [domain, version] of operatorSets)
    message(tail, modelProto.opsetImport, () => {
      if (domain !== '') text(tail, operatorSetProto.domain, domain);
      integer(tail, operatorSetProto.version, version);
    });
  for (const entry of Object.entries(metadata)) message(tail, modelProto.metadata, () => writeEntry(tail, entry));
  return Buffer.concat([head.finish(), ...pieces, tail.finish()]);
}

/**
 * Further nodes and outputs as a piece that stands behind a model's bytes: a protobuf message may come in pieces, which
 * a reader merges.
 */
export function onnxPiece({ nodes, outputs }: Pick<OnnxGraph, 'nodes' | 'outputs'>): Uint8Array {
  const writer = new BinaryWriter();
  message(writer, modelProto.graph, () => {
    for (const node of nodes) message(writer, graphProto.node, () => writeNode(writer, node));
    for (const value of outputs) message(writer, graphProto.output, () => writeValueInfo(writer, value));
  });
  return writer.finish();
}

function writeEntry(writer: BinaryWriter, [key, value]: readonly [string, string]): void {
  text(writer, stringStringEntryProto.key, key);
  text(writer, stringStringEntryProto.value, value);
}

function writeNode(writer: BinaryWriter, { op, domain, name, inputs, outputs, attributes }: OnnxNode): void {
  for (const name of inputs) text(writer, nodeProto.input, name);
  for (const name of outputs) text(writer, nodeProto.output, name);
  if (name !== undefined) text(writer, nodeProto.name, name);
  text(writer, nodeProto.opType, op);
  if (domain !== undefined) text(writer, nodeProto.domain, domain);
  for (const [key, value] of Object.entries(attributes))
    message(writer, nodeProto.attribute, () => {
      text(writer, attributeProto.name, key);
      integer(writer, attributeProto.type, attributeTypes[writeAttributeValue(writer, value)]);
    });
}

/** @returns the value's type */
function writeAttributeValue(writer: BinaryWriter, value: Attribute): keyof typeof attributeTypes {
  if (typeof value === 'number') {
    integer(writer, attributeProto.integer, value);
    return 'integer';
  }
  if (typeof value === 'string') {
    text(writer, attributeProto.text, value);
    return 'text';
  }
  if (isTexts(value)) {
    for (const item of value) text(writer, attributeProto.texts, item);
    return 'texts';
  }
  if ('tensor' in value) {
    message(writer, attributeProto.tensor, () => {
      const [fields, bytes] = tensorFields(value.tensor);
      writer.raw(fields).raw(bytes);
    });
    return 'tensor';
  }
  if ('floats' in value) {
    for (const item of value.floats) float(writer, attributeProto.floats, item);
    return 'floats';
  }
  if ('float' in value) {
    float(writer, attributeProto.float, value.float);
    return 'float';
  }
  for (const item of value) integer(writer, attributeProto.integers, item);
  return 'integers';
}

function isTexts(value: Attribute): value is readonly string[] {
  return Array.isArray(value) && typeof value[0] === 'string';
}

/** A constant as a field of the graph: all that stands before its values, and its values where they lie. */
function tensorPieces(constant: OnnxConstant): [Uint8Array, Uint8Array] {
  const [fields, bytes] = tensorFields(constant);
  const outer = new BinaryWriter()
    .tag(graphProto.initializer, WireType.LengthDelimited)
    .uint32(fields.length + bytes.length)
    .raw(fields);
  return [outer.finish(), bytes];
}

/** A tensor's message in two pieces: all before its values, and its values where they lie. */
function tensorFields({ name, type, shape, bytes }: OnnxConstant): [Uint8Array, Uint8Array] {
  const inner = new BinaryWriter();
  for (const dim of shape) integer(inner, tensorProto.dims, dim);
  integer(inner, tensorProto.dataType, dataTypes[type]);
  text(inner, tensorProto.name, name);
  inner.tag(tensorProto.rawData, WireType.LengthDelimited).uint32(bytes.length);
  return [inner.finish(), bytes];
}

function writeValueInfo(writer: BinaryWriter, { name, type, shape }: OnnxValue): void {
  text(writer, valueInfoProto.name, name);
  if (type === undefined) return;
  message(writer, valueInfoProto.type, () =>
    message(writer, typeProto.tensorType, () => {
      integer(writer, tensorTypeProto.elementType, dataTypes[type]);
      if (shape !== undefined) message(writer, tensorTypeProto.shape, () => writeShape(writer, shape));
    }),
  );
}

function writeShape(writer: BinaryWriter, shape: readonly (number | string)[]): void {
  for (const dim of shape)
    message(writer, tensorShapeProto.dimension, () =>
      typeof dim === 'string' ? text(writer, dimensionProto.name, dim) : integer(writer, dimensionProto.value, dim),
    );
}

function message(writer: BinaryWriter, number: number, write: () => void): void {
  writer.tag(number, WireType.LengthDelimited).fork();
  write();
  writer.join();
}

function integer(writer: BinaryWriter, number: number, value: number): void {
  writer.tag(number, WireType.Varint).int64(value);
}

/** Beyond float32's range: infinity. */
function float(writer: BinaryWriter, number: number, value: number): void {
  writer.tag(number, WireType.Bit32).float(Math.fround(value));
}

function text(writer: BinaryWriter, number: number, value: string): void {
  writer.tag(number, WireType.LengthDelimited).string(value);
}

function lengthOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}
