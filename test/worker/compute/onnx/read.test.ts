import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { describe, expect, it } from 'vitest';
import {
  bytesOf,
  floats,
  integers,
  type Attribute,
  type ElementType,
  type OnnxConstant,
  type OnnxModel,
} from '../../../../worker/compute/onnx/graph.js';
import {
  attributeProto,
  attributeTypes,
  dataTypes,
  graphProto,
  modelProto,
  nodeProto,
  stringStringEntryProto,
  tensorProto,
} from '../../../../worker/compute/onnx/proto.js';
import { readOnnx, UnreadableOnnx } from '../../../../worker/compute/onnx/read.js';
import { writeOnnx } from '../../../../worker/compute/onnx/write.js';

const elements: Readonly<Record<ElementType, ArrayBufferView>> = {
  float32: Float32Array.of(0.5, -1e38, Infinity),
  uint8: Uint8Array.of(0, 1, 255),
  int8: Int8Array.of(0, -1, 127),
  uint16: Uint16Array.of(0, 1, 65535),
  int16: Int16Array.of(0, -1, 32767),
  int32: Int32Array.of(0, -1, 2 ** 31 - 1),
  int64: BigInt64Array.of(-1n, 2n ** 63n - 1n, -(2n ** 63n)),
  bool: Uint8Array.of(1, 0, 1),
  float16: Uint16Array.of(0x3c00, 0x8000, 0x7c00),
  float64: Float64Array.of(0.1, -1e300, NaN),
  uint32: Uint32Array.of(0, 1, 2 ** 32 - 1),
  uint64: BigUint64Array.of(0n, 1n, 2n ** 64n - 1n),
};
const types = Object.keys(elements) as ElementType[];
const constantOf = (type: ElementType): OnnxConstant => ({
  name: type,
  type,
  shape: [3],
  bytes: bytesOf(elements[type]).slice(),
});

const attributes: Readonly<Record<string, Attribute>> = {
  integer: -3,
  large: 2 ** 53 - 1,
  integers: [1, -2, 300],
  none: [],
  text: 'größe',
  texts: ['a', 'b'],
  float: { float: 0.25 },
  infinite: { float: Infinity },
  floats: { floats: [1, -0.5] },
  tensor: { tensor: integers('inner', [2], [4, -5]) },
};

const model: OnnxModel = {
  operatorSets: new Map([
    ['', 18],
    ['com.microsoft', 1],
  ]),
  graph: {
    nodes: [
      { op: 'Clip', inputs: ['x', '', 'high'], outputs: ['a'], attributes },
      { op: 'Gelu', domain: 'com.microsoft', name: '/act', inputs: ['a'], outputs: ['', 'y'], attributes: {} },
    ],
    constants: [floats('high', [], Float32Array.of(1)), ...types.map(constantOf)],
    inputs: [
      { name: 'x', type: 'float32', shape: ['batch', 3, 0] },
      { name: 'free', type: 'int64' },
    ],
    outputs: [{ name: 'y', type: 'bool', shape: [] }, { name: 'untold' }],
  },
};

/** A message of these fields, as its bytes. */
function message(write: (writer: BinaryWriter) => void): Uint8Array {
  const writer = new BinaryWriter();
  write(writer);
  return writer.finish();
}

function field(number: number, value: Uint8Array | string | number) {
  return (writer: BinaryWriter): void => {
    if (typeof value === 'number') writer.tag(number, WireType.Varint).int64(value);
    else if (typeof value === 'string') writer.tag(number, WireType.LengthDelimited).string(value);
    else writer.tag(number, WireType.LengthDelimited).bytes(value);
  };
}

type Fields = readonly ((writer: BinaryWriter) => void)[];
const fields = (list: Fields): Uint8Array =>
  message((writer) => {
    for (const write of list) write(writer);
  });
const fileWith = (graph: Fields): Uint8Array => fields([field(modelProto.graph, fields(graph))]);

function tensorFile(type: number, values: Fields, dims: readonly number[] = [3]): Uint8Array {
  const tensor = fields([
    ...dims.map((dim) => field(tensorProto.dims, dim)),
    field(tensorProto.dataType, type),
    field(tensorProto.name, 'c'),
    ...values,
  ]);
  return fileWith([field(graphProto.initializer, tensor)]);
}

const valuesOf = (file: Uint8Array, external?: ReadonlyMap<string, Uint8Array>): number[] => [
  ...(readOnnx(file, external).graph.constants[0]?.bytes ?? []),
];

/** The field that holds numbers of each type that are not raw, and how one of them is written. */
const ownFields: Readonly<Record<ElementType, readonly [number, WireType, (writer: BinaryWriter, i: number) => void]>> =
  (() => {
    const integer =
      (type: ElementType) =>
      (writer: BinaryWriter, i: number): void => {
        const value = (elements[type] as Int32Array)[i] ?? 0;
        // A protobuf writer of uint64 refuses what int64 holds below 0.
        if (type === 'uint64') writer.uint64(value);
        else writer.int64(value);
      };
    const of = (type: ElementType, number: number) => [number, WireType.Varint, integer(type)] as const;
    const int32s = tensorProto.int32s;
    return {
      float32: [tensorProto.floats, WireType.Bit32, (w, i) => w.float((elements.float32 as Float32Array)[i] ?? 0)],
      float64: [tensorProto.doubles, WireType.Bit64, (w, i) => w.double((elements.float64 as Float64Array)[i] ?? 0)],
      int64: of('int64', tensorProto.int64s),
      uint32: of('uint32', tensorProto.uint64s),
      uint64: of('uint64', tensorProto.uint64s),
      int32: of('int32', int32s),
      int16: of('int16', int32s),
      uint16: of('uint16', int32s),
      int8: of('int8', int32s),
      uint8: of('uint8', int32s),
      bool: of('bool', int32s),
      float16: of('float16', int32s),
    };
  })();

describe('an ONNX file that is read', () => {
  it('gives what was written: all types of settings and elements, values known and free', () => {
    expect(readOnnx(writeOnnx(model))).toEqual(model);
  });

  it.each(types)('has numbers of %s in the field of the type, each alone or all in one', (type) => {
    const [number, alone, write] = ownFields[type];
    const wanted = [...bytesOf(elements[type])];
    const each: Fields = [0, 1, 2].map((i) => (writer: BinaryWriter) => {
      write(writer.tag(number, alone), i);
    });
    const packed = message((writer) => {
      for (const i of [0, 1, 2]) write(writer, i);
    });
    expect(valuesOf(tensorFile(dataTypes[type], each))).toEqual(wanted);
    expect(valuesOf(tensorFile(dataTypes[type], [field(number, packed)]))).toEqual(wanted);
  });

  it('has lengths of axes each alone or all in one', () => {
    const packed = message((writer) => writer.int64(2).int64(3));
    const raw = field(tensorProto.rawData, new Uint8Array(6));
    const [one] = readOnnx(tensorFile(dataTypes.uint8, [field(tensorProto.dims, packed), raw], [])).graph.constants;
    expect(one?.shape).toEqual([2, 3]);
  });

  it('keeps "to the end" within int64 in a setting, so that it can be written again', () => {
    const attribute = fields([
      field(attributeProto.name, 'end'),
      field(attributeProto.type, attributeTypes.integer),
      (writer) => writer.tag(attributeProto.integer, WireType.Varint).int64(2n ** 63n - 1n),
    ]);
    const file = fileWith([field(graphProto.node, fields([field(nodeProto.attribute, attribute)]))]);
    const read = readOnnx(file);
    expect(read.graph.nodes[0]?.attributes.end).toBe(2 ** 63 - 1024);
    expect(readOnnx(writeOnnx(read)).graph.nodes).toEqual(read.graph.nodes);
  });

  it('gives constants whose slice is a copy, of a Buffer too', () => {
    const [constant] = readOnnx(Buffer.from(writeOnnx(model))).graph.constants;
    expect(constant?.bytes.slice().buffer.byteLength).toBe(4);
  });

  describe('with elements in a file beside it', () => {
    const entry = (key: string, value: string) =>
      field(
        tensorProto.externalData,
        fields([field(stringStringEntryProto.key, key), field(stringStringEntryProto.value, value)]),
      );
    const beside = new Map([['net.data', Uint8Array.of(9, 9, 1, 2, 3, 4)]]);
    const file = (...entries: Fields): Uint8Array =>
      tensorFile(dataTypes.uint8, [entry('location', 'net.data'), ...entries]);

    it('takes those from an offset on, of a length or to the end', () => {
      expect(valuesOf(file(entry('offset', '2'), entry('length', '3')), beside)).toEqual([1, 2, 3]);
      expect(valuesOf(file(entry('offset', '3')), beside)).toEqual([2, 3, 4]);
    });

    it('refuses a file that is missing or too short', () => {
      expect(() => readOnnx(file())).toThrow(
        new UnreadableOnnx('constant c: the file net.data beside the model is missing'),
      );
      expect(() => readOnnx(file(entry('offset', '4')), beside)).toThrow(
        new UnreadableOnnx('constant c: 2 bytes of uint8 [3]; 3 wanted'),
      );
    });
  });

  it.each([
    ['elements of bfloat16', tensorFile(dataTypes.bfloat16, []), "constant c: elements of ONNX's type bfloat16"],
    ['elements of a type that is not known', tensorFile(99, []), "constant c: elements of ONNX's type 99"],
    [
      'a graph within a node',
      fileWith([
        field(
          graphProto.node,
          fields([
            field(nodeProto.name, 'loop'),
            field(
              nodeProto.attribute,
              fields([field(attributeProto.name, 'body'), field(attributeProto.type, attributeTypes.graph)]),
            ),
          ]),
        ),
      ]),
      'node loop, attribute body: a graph within a node, or a type that is not known',
    ],
  ])('is refused with %s', (_, file, text) => {
    expect(() => readOnnx(file)).toThrow(new UnreadableOnnx(text));
  });

  it('is refused cut short anywhere, or is shorter by whole fields', () => {
    const file = writeOnnx(model);
    const whole = file.length;
    let refused = 0;
    for (let length = 1; length < whole; length++) {
      try {
        readOnnx(file.subarray(0, length));
      } catch (error) {
        if (!(error instanceof RangeError || error instanceof UnreadableOnnx)) throw error;
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(whole * 0.9);
  });
});
