/**
 * The messages of the Open Inference Protocol, version 2 (KServe), and its extension for binary tensors: what a server
 * says of a model, a request for a forward, and the answer. Pure.
 */
import { z } from 'zod';
import { elementsIn } from '../../../../shared/shape.js';
import { decodeValues, encoderFor, type Encoded } from './onnx-values.js';

const tensorMetadata = z.object({
  name: z.string().min(1).max(256),
  datatype: z.string().max(16),
  shape: z.array(z.number().int().min(-1)).min(1).max(16),
});
/** A tensor of a model, rows first; -1: any size. */
export type TensorMetadata = z.infer<typeof tensorMetadata>;

/** What `GET /v2` says. */
export const serverMetadata = z.object({ extensions: z.array(z.string()).nullish() });

/** What `GET /v2/models/NAME` says. */
export const modelMetadata = z.object({
  name: z.string(),
  versions: z.array(z.string()).nullish(),
  platform: z.string().nullish(),
  inputs: z.array(tensorMetadata).nullish(),
  outputs: z.array(tensorMetadata).nullish(),
});

/** A served model as a run takes it. Its bytes are the teacher's file, so labels of another model have another key. */
export const servedModel = z.strictObject({
  protocol: z.literal('kserve-v2'),
  model: z.string().min(1).max(256),
  /** Null for a server without versions. */
  version: z.string().max(64).nullable(),
  platform: z.string().max(256),
  inputs: z.array(tensorMetadata.strict()).min(1).max(256),
  outputs: z.array(tensorMetadata.strict()).min(1).max(256),
});
export type ServedModel = z.infer<typeof servedModel>;

const answerSchema = z.object({
  model_name: z.string().nullish(),
  model_version: z.string().nullish(),
  outputs: z.array(
    z.object({
      name: z.string(),
      datatype: z.string(),
      shape: z.array(z.number().int().nonnegative()),
      parameters: z.object({ binary_data_size: z.number().int().nonnegative().optional() }).nullish(),
      data: z.array(z.unknown()).optional(),
    }),
  ),
});

const elementTypes = {
  BOOL: 'bool',
  UINT8: 'uint8',
  UINT16: 'uint16',
  UINT32: 'uint32',
  UINT64: 'uint64',
  INT8: 'int8',
  INT16: 'int16',
  INT32: 'int32',
  INT64: 'int64',
  FP16: 'float16',
  FP32: 'float32',
  FP64: 'float64',
} as const;
type Datatype = keyof typeof elementTypes;

/** Names of the types that tensors of numbers may have. */
export const datatypes = Object.keys(elementTypes).join(', ');

export function isDatatype(name: string): name is Datatype {
  return Object.hasOwn(elementTypes, name);
}

/** A tensor that is sent. */
export interface SentTensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** A message's body, and the length of its JSON part where bytes of tensors follow it. */
export interface Body {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly jsonLength: number | null;
}

/** A request for one output. @param isBinary whether the server takes and gives tensors as bytes */
export function encodeRequest(inputs: readonly SentTensor[], output: string, isBinary: boolean): Body {
  const encoded = inputs.map(({ datatype, values }) => encode(datatype, values));
  const json = {
    inputs: inputs.map(({ name, datatype, shape, values }, i) => ({
      name,
      datatype,
      shape,
      ...(isBinary
        ? { parameters: { binary_data_size: encoded[i]?.byteLength ?? 0 } }
        : { data: asJson(datatype, values, encoded[i] ?? values) }),
    })),
    outputs: [{ name: output, ...(isBinary ? { parameters: { binary_data: true } } : {}) }],
  };
  const head = new TextEncoder().encode(JSON.stringify(json));
  if (!isBinary) return { bytes: head, jsonLength: null };
  const parts = [
    head,
    ...encoded.map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength)),
  ];
  return { bytes: joined(parts), jsonLength: head.length };
}

function encode(datatype: Datatype, values: Float32Array): Encoded {
  return encoderFor(elementTypes[datatype])?.(values) ?? values;
}

function asJson(datatype: Datatype, values: Float32Array, encoded: Encoded): (number | boolean)[] {
  if (datatype === 'BOOL') return Array.from(values, (value) => value !== 0);
  return datatype.startsWith('FP') ? [...values] : Array.from<number | bigint, number>(encoded, Number);
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** What a server answered to a request. */
export interface ServedAnswer {
  readonly values: Float32Array;
  readonly shape: readonly number[];
  /** Null where the server says none. */
  readonly version: string | null;
}

/** Reads an answer's wanted output. @throws Error with what is wrong, in words */
export function decodeAnswer({ bytes, jsonLength }: Body, output: string): ServedAnswer {
  if (jsonLength !== null && !(jsonLength >= 0 && jsonLength <= bytes.length))
    throw new Error(`an answer of ${bytes.length} bytes with a head of ${jsonLength}`);
  const parsed = answerSchema.safeParse(parseJson(bytes.subarray(0, jsonLength ?? bytes.length)));
  if (!parsed.success) throw new Error('an answer that is none of the protocol');
  const { outputs, model_version: version } = parsed.data;
  let at = jsonLength ?? bytes.length;
  for (const { name, datatype, shape, parameters, data } of outputs) {
    const size = parameters?.binary_data_size;
    const raw = size === undefined ? null : bytes.slice(at, at + size);
    at += size ?? 0;
    if (name !== output) continue;
    const values = raw === null ? fromJson(data) : fromBytes(datatype, raw);
    if (values === null) throw new Error(`an output of ${datatype} without numbers`);
    if (values.length !== elementsIn(shape))
      throw new Error(`an output of ${values.length} numbers for the shape [${shape.join(', ')}]`);
    return { values, shape, version: version === '' ? null : (version ?? null) };
  }
  throw new Error(`an answer without the output "${output}"`);
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new Error('an answer that is no JSON', { cause: error });
  }
}

/** What is no number becomes NaN, which no teacher may give. */
function fromJson(data: readonly unknown[] | undefined): Float32Array | null {
  return data === undefined
    ? null
    : Float32Array.from(data.flat(16), (value) => (typeof value === 'number' ? value : Number.NaN));
}

function fromBytes(datatype: string, { buffer }: Uint8Array<ArrayBuffer>): Float32Array | null {
  if (!isDatatype(datatype)) return null;
  const make = arrays[datatype];
  if (make === undefined || buffer.byteLength % make.BYTES_PER_ELEMENT !== 0) return null;
  return decodeValues({ type: elementTypes[datatype], data: new make(buffer) });
}

const arrays: Partial<
  Record<
    Datatype,
    typeof Float32Array | typeof Float64Array | typeof Uint16Array | typeof Int32Array | typeof BigInt64Array
  >
> = {
  FP16: Uint16Array,
  FP32: Float32Array,
  FP64: Float64Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
};
