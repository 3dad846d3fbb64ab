/**
 * An ONNX file from nodes and constants: IR version 8, operator set 17. The values of constants are copied once, into
 * the file; everything around them is small. Pure.
 */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
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

/** A setting of a node. A bare number is an integer; floats say so. */
export type Attribute =
  | number
  | readonly number[]
  | string
  | readonly string[]
  | { readonly float: number }
  | { readonly floats: readonly number[] };

export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  /** In the operator's order; an empty name for one that is not wanted. */
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

export interface OnnxConstant {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array | BigInt64Array;
}

export interface OnnxGraph {
  readonly nodes: readonly OnnxNode[];
  readonly constants: readonly OnnxConstant[];
  /** One sample's shape. */
  readonly inputShape: readonly number[];
  /** What the file says of the model besides, in its `metadata_props`. Default: nothing. */
  readonly metadata?: Readonly<Record<string, string>>;
}

const irVersion = 8;
const operatorSet = 17;

/** A model with float32 in and out for any number of rows: `input` [batch x inputShape] to `logits` [batch x classes]. */
export function writeOnnx({ nodes, constants, inputShape, metadata = {} }: OnnxGraph): Uint8Array {
  const before = new BinaryWriter();
  for (const node of nodes) message(before, graphProto.node, () => writeNode(before, node));
  text(before, graphProto.name, 'student');
  const behind = new BinaryWriter();
  message(behind, graphProto.input, () => writeValueInfo(behind, 'input', inputShape));
  message(behind, graphProto.output, () => writeValueInfo(behind, 'logits', ['classes']));
  const graph = [before.finish(), ...constants.flatMap(tensorPieces), behind.finish()];
  const head = new BinaryWriter();
  integer(head, modelProto.irVersion, irVersion);
  text(head, modelProto.producerName, 'stillhouse');
  head.tag(modelProto.graph, WireType.LengthDelimited).uint32(lengthOf(graph));
  const tail = new BinaryWriter();
  message(tail, modelProto.opsetImport, () => integer(tail, operatorSetProto.version, operatorSet));
  for (const entry of Object.entries(metadata)) message(tail, modelProto.metadata, () => writeEntry(tail, entry));
  return Buffer.concat([head.finish(), ...graph, tail.finish()]);
}

function writeEntry(writer: BinaryWriter, [key, value]: readonly [string, string]): void {
  text(writer, stringStringEntryProto.key, key);
  text(writer, stringStringEntryProto.value, value);
}

function writeNode(writer: BinaryWriter, { op, inputs, outputs, attributes }: OnnxNode): void {
  for (const name of inputs) text(writer, nodeProto.input, name);
  for (const name of outputs) text(writer, nodeProto.output, name);
  text(writer, nodeProto.opType, op);
  for (const [name, value] of Object.entries(attributes))
    message(writer, nodeProto.attribute, () => {
      text(writer, attributeProto.name, name);
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
function tensorPieces({ name, shape, values }: OnnxConstant): [Uint8Array, Uint8Array] {
  const inner = new BinaryWriter();
  for (const dim of shape) integer(inner, tensorProto.dims, dim);
  integer(inner, tensorProto.dataType, values instanceof Float32Array ? dataTypes.float : dataTypes.int64);
  text(inner, tensorProto.name, name);
  inner.tag(tensorProto.rawData, WireType.LengthDelimited).uint32(values.byteLength);
  const fields = inner.finish();
  const outer = new BinaryWriter()
    .tag(graphProto.initializer, WireType.LengthDelimited)
    .uint32(fields.length + values.byteLength)
    .raw(fields);
  return [outer.finish(), new Uint8Array(values.buffer, values.byteOffset, values.byteLength)];
}

/** A tensor of float32 of any number of rows; a dimension that is a name is any number as well. */
function writeValueInfo(writer: BinaryWriter, name: string, shape: readonly (number | string)[]): void {
  const writeDimension = (dim: number | string): void =>
    typeof dim === 'string' ? text(writer, dimensionProto.name, dim) : integer(writer, dimensionProto.value, dim);
  text(writer, valueInfoProto.name, name);
  message(writer, valueInfoProto.type, () =>
    message(writer, typeProto.tensorType, () => {
      integer(writer, tensorTypeProto.elementType, dataTypes.float);
      message(writer, tensorTypeProto.shape, () => {
        for (const dim of ['batch', ...shape]) message(writer, tensorShapeProto.dimension, () => writeDimension(dim));
      });
    }),
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
