/** An ONNX file from nodes and constants: the protobuf messages of onnx.proto3, IR 8, opset 17. Pure. */

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
}

const floatType = 1;
const int64Type = 7;

/** Float32 in and out, any number of rows: `input` [batch x inputShape] to `logits` [batch x classes]. */
export function writeOnnx({ nodes, constants, inputShape }: OnnxGraph): Uint8Array {
  const graph = join(
    ...nodes.map((node) => bytesField(1, nodeMessage(node))),
    text(2, 'student'),
    ...constants.map((one) => bytesField(5, tensorMessage(one))),
    bytesField(11, valueInfo('input', inputShape)),
    bytesField(12, valueInfo('logits', ['classes'])),
  );
  return join(integer(1, 8), text(2, 'stillhouse'), bytesField(7, graph), bytesField(8, integer(2, 17)));
}

function nodeMessage({ op, inputs, outputs, attributes }: OnnxNode): Uint8Array {
  const own = Object.entries(attributes).map(([name, value]) =>
    bytesField(5, join(text(1, name), attributeValue(value))),
  );
  return join(...inputs.map((name) => text(1, name)), ...outputs.map((name) => text(2, name)), text(4, op), ...own);
}

/** AttributeProto's types: FLOAT 1, INT 2, STRING 3, FLOATS 6, INTS 7, STRINGS 8. */
function attributeValue(value: Attribute): Uint8Array {
  if (typeof value === 'number') return join(integer(3, value), integer(20, 2));
  if (typeof value === 'string') return join(text(4, value), integer(20, 3));
  if (isTexts(value)) return join(...value.map((item) => text(9, item)), integer(20, 8));
  if ('floats' in value) return join(...value.floats.map((item) => floatField(7, item)), integer(20, 6));
  if ('float' in value) return join(floatField(2, value.float), integer(20, 1));
  return join(...value.map((item) => integer(8, item)), integer(20, 7));
}

function floatField(number: number, value: number): Uint8Array {
  return join(Uint8Array.of((number << 3) | 5), new Uint8Array(Float32Array.of(value).buffer));
}

function isTexts(value: Attribute): value is readonly string[] {
  return Array.isArray(value) && typeof value[0] === 'string';
}

function tensorMessage({ name, shape, values }: OnnxConstant): Uint8Array {
  const raw = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return join(
    ...shape.map((dim) => integer(1, dim)),
    integer(2, values instanceof Float32Array ? floatType : int64Type),
    text(8, name),
    bytesField(9, raw),
  );
}

function valueInfo(name: string, shape: readonly (number | string)[]): Uint8Array {
  const dims = ['batch', ...shape]
    .map((dim) => (typeof dim === 'string' ? text(2, dim) : integer(1, dim)))
    .map((dim) => bytesField(1, dim));
  return join(text(1, name), bytesField(2, bytesField(1, join(integer(1, floatType), bytesField(2, join(...dims))))));
}

function integer(number: number, value: number): Uint8Array {
  return join(varint(BigInt(number << 3)), varint(BigInt.asUintN(64, BigInt(value))));
}

function text(number: number, value: string): Uint8Array {
  return bytesField(number, new TextEncoder().encode(value));
}

function bytesField(number: number, bytes: Uint8Array): Uint8Array {
  return join(varint(BigInt((number << 3) | 2)), varint(BigInt(bytes.length)), bytes);
}

function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7n) {
    if (rest < 128n) return Uint8Array.from([...bytes, Number(rest)]);
    bytes.push(Number(rest & 127n) | 128);
  }
}

function join(...pieces: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(pieces);
}
