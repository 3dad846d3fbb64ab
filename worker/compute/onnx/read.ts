/**
 * Reads an ONNX model's file into data. Elements that the file holds in raw bytes are views into it, never copies.
 * Pure.
 */
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { elementsIn } from '../../../shared/shape.js';
import {
  bytesOf,
  type Attribute,
  type ElementType,
  type OnnxConstant,
  type OnnxModel,
  type OnnxNode,
  type OnnxValue,
} from './graph.js';
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
import { bytesIn, fieldsIn, textIn, textsIn } from './reader.js';

/** The bytes of the files beside the model that hold elements, by the location that the model gives. */
export type ExternalFiles = ReadonlyMap<string, Uint8Array>;

/** What a file has that this reader does not understand. */
export class UnreadableOnnx extends Error {}

/**
 * @throws UnreadableOnnx for a graph within a node, a type without numbers, or a missing external file; RangeError when
 * the bytes are no protobuf message
 */
export function readOnnx(file: Uint8Array, external: ExternalFiles = new Map()): OnnxModel {
  // A view of its own: a Buffer's slice() would share the memory where that of every other Uint8Array copies.
  const model = bytesOf(file);
  const graphs = bytesIn(model, modelProto.graph);
  return {
    operatorSets: new Map(
      bytesIn(model, modelProto.opsetImport).map((set) => [
        textIn(set, operatorSetProto.domain),
        integerIn(set, operatorSetProto.version) ?? 1,
      ]),
    ),
    graph: {
      nodes: graphs.flatMap((graph) => bytesIn(graph, graphProto.node)).map((node) => readNode(node)),
      constants: graphs
        .flatMap((graph) => bytesIn(graph, graphProto.initializer))
        .map((tensor) => readTensor(tensor, external)),
      inputs: graphs.flatMap((graph) => bytesIn(graph, graphProto.input)).map(readValue),
      outputs: graphs.flatMap((graph) => bytesIn(graph, graphProto.output)).map(readValue),
    },
  };
}

function readNode(node: Uint8Array): OnnxNode {
  const [name, domain, op] = [nodeProto.name, nodeProto.domain, nodeProto.opType].map((number) => textIn(node, number));
  return {
    op: op ?? '',
    ...(domain === '' || domain === undefined || domain === 'ai.onnx' ? {} : { domain }),
    ...(name === '' || name === undefined ? {} : { name }),
    inputs: textsIn(node, nodeProto.input),
    outputs: textsIn(node, nodeProto.output),
    attributes: Object.fromEntries(
      bytesIn(node, nodeProto.attribute).map((attribute) => {
        const key = textIn(attribute, attributeProto.name);
        return [key, readAttribute(attribute, `node ${name === '' ? (op ?? '') : (name ?? '')}, attribute ${key}`)];
      }),
    ),
  };
}

function readAttribute(attribute: Uint8Array, where: string): Attribute {
  switch (integerIn(attribute, attributeProto.type) ?? 0) {
    case attributeTypes.integer:
      return integerIn(attribute, attributeProto.integer) ?? 0;
    case attributeTypes.integers:
      return integersIn(attribute, attributeProto.integers);
    case attributeTypes.float:
      return { float: floatsIn(attribute, attributeProto.float)[0] ?? 0 };
    case attributeTypes.floats:
      return { floats: floatsIn(attribute, attributeProto.floats) };
    case attributeTypes.text:
      return textIn(attribute, attributeProto.text);
    case attributeTypes.texts:
      return textsIn(attribute, attributeProto.texts);
    case attributeTypes.tensor: {
      const [tensor] = bytesIn(attribute, attributeProto.tensor);
      if (tensor !== undefined) return { tensor: readTensor(tensor, new Map()) };
      throw new UnreadableOnnx(`${where}: it has no value`);
    }
    default:
      throw new UnreadableOnnx(`${where}: a graph within a node, or a type that is not known`);
  }
}

const typeOf = new Map<number, ElementType | 'bfloat16'>(
  Object.entries(dataTypes).map(([name, number]) => [number, name as ElementType | 'bfloat16']),
);

function elementType(number: number, where: string): ElementType {
  const type = typeOf.get(number);
  if (type !== undefined && type !== 'bfloat16') return type;
  throw new UnreadableOnnx(`${where}: elements of ONNX's type ${type ?? number}`);
}

function readTensor(tensor: Uint8Array, external: ExternalFiles): OnnxConstant {
  const name = textIn(tensor, tensorProto.name);
  const type = elementType(integerIn(tensor, tensorProto.dataType) ?? 0, `constant ${name}`);
  const shape = integersIn(tensor, tensorProto.dims);
  const bytes = externalBytes(tensor, name, external) ?? ownBytes(tensor, type);
  const wanted = elementsIn(shape) * bytesPerElement[type];
  if (bytes.length !== wanted)
    throw new UnreadableOnnx(
      `constant ${name}: ${bytes.length} bytes of ${type} [${shape.join(', ')}]; ${wanted} wanted`,
    );
  return { name, type, shape, bytes };
}

/** Bytes that an element of each type takes. */
export const bytesPerElement: Readonly<Record<ElementType, number>> = {
  float32: 4,
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  int32: 4,
  int64: 8,
  bool: 1,
  float16: 2,
  float64: 8,
  uint32: 4,
  uint64: 8,
};

function externalBytes(tensor: Uint8Array, name: string, external: ExternalFiles): Uint8Array | null {
  const entries = new Map(
    bytesIn(tensor, tensorProto.externalData).map((entry) => [
      textIn(entry, stringStringEntryProto.key),
      textIn(entry, stringStringEntryProto.value),
    ]),
  );
  const location = entries.get('location');
  if (location === undefined) return null;
  const file = external.get(location);
  if (file === undefined)
    throw new UnreadableOnnx(`constant ${name}: the file ${location} beside the model is missing`);
  const offset = Number(entries.get('offset') ?? 0);
  const length = Number(entries.get('length') ?? file.length - offset);
  return bytesOf(file).subarray(offset, offset + length);
}

/** Elements in the message itself: raw, or as numbers of a field that the type has. */
function ownBytes(tensor: Uint8Array, type: ElementType): Uint8Array {
  const [raw] = bytesIn(tensor, tensorProto.rawData);
  if (raw !== undefined) return raw;
  switch (type) {
    case 'float32':
      return bytesOf(Float32Array.from(floatsIn(tensor, tensorProto.floats)));
    case 'int64':
      return bytesOf(BigInt64Array.from(wholeIntegersIn(tensor, tensorProto.int64s)));
    case 'int32':
      return bytesOf(Int32Array.from(integersIn(tensor, tensorProto.int32s)));
    case 'uint16':
    case 'int16':
    case 'float16':
      return bytesOf(Uint16Array.from(integersIn(tensor, tensorProto.int32s)));
    case 'uint8':
    case 'int8':
    case 'bool':
      return Uint8Array.from(integersIn(tensor, tensorProto.int32s));
    case 'float64':
      return bytesOf(Float64Array.from(doublesIn(tensor, tensorProto.doubles)));
    case 'uint32':
      return bytesOf(Uint32Array.from(integersIn(tensor, tensorProto.uint64s)));
    case 'uint64':
      return bytesOf(BigUint64Array.from(wholeIntegersIn(tensor, tensorProto.uint64s)));
  }
}

function readValue(value: Uint8Array): OnnxValue {
  const name = textIn(value, valueInfoProto.name);
  const [tensor] = bytesIn(value, valueInfoProto.type).flatMap((type) => bytesIn(type, typeProto.tensorType));
  if (tensor === undefined) return { name };
  const type = elementType(integerIn(tensor, tensorTypeProto.elementType) ?? 0, `value ${name}`);
  const [shape] = bytesIn(tensor, tensorTypeProto.shape);
  if (shape === undefined) return { name, type };
  const dims = bytesIn(shape, tensorShapeProto.dimension).map(
    (dim) => integerIn(dim, dimensionProto.value) ?? textIn(dim, dimensionProto.name),
  );
  return { name, type, shape: dims };
}

/** The last number in the fields of that number; undefined where there is none. Exact up to 2^53 on both sides of 0. */
function integerIn(message: Uint8Array, number: number): number | undefined {
  return integersIn(message, number).at(-1);
}

/**
 * Signed integers, one field each or all in one. What is beyond a number's 53 bits loses its last bits and stays within
 * int64: exporters write its largest value for "to the end".
 */
function integersIn(message: Uint8Array, number: number): number[] {
  return wholeIntegersIn(message, number).map((value) => Math.min(Number(value), largestBelow));
}

/** The largest number below 2^63. */
const largestBelow = 2 ** 63 - 1024;

/** Signed integers of 64 bits, exact. */
function wholeIntegersIn(message: Uint8Array, number: number): bigint[] {
  return repeated(message, { number, alone: WireType.Varint, read: (reader) => BigInt(reader.int64()) });
}

function floatsIn(message: Uint8Array, number: number): number[] {
  return repeated(message, { number, alone: WireType.Bit32, read: (reader) => reader.float() });
}

function doublesIn(message: Uint8Array, number: number): number[] {
  return repeated(message, { number, alone: WireType.Bit64, read: (reader) => reader.double() });
}

interface Repeated<T> {
  readonly number: number;
  /** How one number alone is written. */
  readonly alone: WireType;
  readonly read: (reader: BinaryReader) => T;
}

function repeated<T>(message: Uint8Array, { number, alone, read }: Repeated<T>): T[] {
  // The message is known to be one: who comes here has read other fields of it.
  fieldsIn(message);
  const found: T[] = [];
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field !== number) reader.skip(wireType, field);
    else if (wireType === alone) found.push(read(reader));
    else if (wireType === WireType.LengthDelimited) {
      const inner = new BinaryReader(reader.bytes());
      while (inner.pos < inner.len) found.push(read(inner));
    } else reader.skip(wireType, field);
  }
  return found;
}
