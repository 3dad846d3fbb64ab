/**
 * The two things about an ONNX file that onnxruntime does not tell: how many numbers its weights have, and which other
 * files it keeps them in. Reads the protobuf fields that say so (onnx.proto3) and skips all others. Pure.
 */

export interface OnnxFileFacts {
  /** Elements of all floating-point initializers. */
  readonly parameters: number;
  /** Names of external data files, relative to the model's folder; each once, in order. */
  readonly externalFiles: readonly string[];
}

/** Field numbers of onnx.proto3. */
const modelGraph = 7;
const graphInitializer = 5;
const tensor = { dims: 1, dataType: 2, externalData: 13 } as const;
const entry = { key: 1, value: 2 } as const;
/** TensorProto.DataType: FLOAT, FLOAT16, DOUBLE, BFLOAT16. */
const floatTypes = new Set([1, 10, 11, 16]);

interface Field {
  readonly number: number;
  /** A varint's value; 0 for other kinds. */
  readonly value: number;
  /** A length-delimited field's bytes; empty for other kinds. */
  readonly bytes: Uint8Array;
}

/** @throws RangeError when the bytes are no protobuf message */
export function readOnnxFacts(model: Uint8Array): OnnxFileFacts {
  let parameters = 0;
  const externalFiles = new Set<string>();
  for (const graph of fieldsOf(model, modelGraph)) {
    for (const initializer of fieldsOf(graph.bytes, graphInitializer)) {
      const facts = readTensor(initializer.bytes);
      parameters += facts.floats;
      if (facts.location !== null) externalFiles.add(facts.location);
    }
  }
  return { parameters, externalFiles: [...externalFiles] };
}

function readTensor(bytes: Uint8Array): { floats: number; location: string | null } {
  let [elements, isFloat] = [1, false];
  let location: string | null = null;
  for (const field of fields(bytes)) {
    if (field.number === tensor.dims) elements *= product(field);
    if (field.number === tensor.dataType) isFloat = floatTypes.has(field.value);
    if (field.number === tensor.externalData) location = locationIn(field.bytes) ?? location;
  }
  return { floats: isFloat ? elements : 0, location };
}

/** Sizes come one a field, or packed into one. */
function product(field: Field): number {
  if (field.bytes.length === 0) return field.value;
  let [result, at] = [1, 0];
  while (at < field.bytes.length) {
    const { value, next } = varint(field.bytes, at);
    result *= value;
    at = next;
  }
  return result;
}

function locationIn(pair: Uint8Array): string | null {
  return textOf(pair, entry.key) === 'location' ? textOf(pair, entry.value) : null;
}

/** A text field; empty where there is none. */
export function textOf(message: Uint8Array, number: number): string {
  return fieldsOf(message, number)
    .map((field) => new TextDecoder().decode(field.bytes))
    .join('');
}

/** All fields of that number, in order. @throws RangeError when the bytes are no protobuf message */
export function fieldsOf(message: Uint8Array, number: number): Field[] {
  return [...fields(message)].filter((field) => field.number === number);
}

function* fields(message: Uint8Array): Generator<Field> {
  let at = 0;
  while (at < message.length) {
    const tag = varint(message, at);
    const [number, wireType] = [Math.floor(tag.value / 8), tag.value % 8];
    const { field, next } = readField(message, tag.next, wireType);
    yield { number, ...field };
    at = next;
  }
}

const none = new Uint8Array(0);

function readField(message: Uint8Array, at: number, wireType: number): { field: Omit<Field, 'number'>; next: number } {
  if (wireType === 0) {
    const { value, next } = varint(message, at);
    return { field: { value, bytes: none }, next };
  }
  const length = wireType === 2 ? varint(message, at) : null;
  const from = length?.next ?? at;
  const size = length?.value ?? { 1: 8, 5: 4 }[wireType] ?? Number.NaN;
  if (!(from + size <= message.length)) throw new RangeError(`not a protobuf message: field of ${size} bytes at ${at}`);
  const bytes = wireType === 2 ? message.subarray(from, from + size) : none;
  return { field: { value: 0, bytes }, next: from + size };
}

/** A base-128 number, least significant group first; exact up to 2^53. */
function varint(bytes: Uint8Array, at: number): { value: number; next: number } {
  let [value, factor] = [0, 1];
  for (let i = at; i < at + 10; i++) {
    const byte = bytes[i];
    if (byte === undefined) break;
    value += (byte & 127) * factor;
    if (byte < 128) return { value, next: i + 1 };
    factor *= 128;
  }
  throw new RangeError(`not a protobuf message: no number at ${at}`);
}
