/** An ONNX model as data: what is read from a file, changed, and written again. Types alone. */

/** Types of elements that this program reads and writes, as onnxruntime names them. */
export type ElementType =
  | 'float32'
  | 'uint8'
  | 'int8'
  | 'uint16'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'bool'
  | 'float16'
  | 'float64'
  | 'uint32'
  | 'uint64';

/** A setting of a node. A bare number is an integer; floats say so. */
export type Attribute =
  | number
  | readonly number[]
  | string
  | readonly string[]
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly tensor: OnnxConstant };

/** One operation of a graph. */
export interface OnnxNode {
  readonly op: string;
  /** The operator set that `op` belongs to; absent: ONNX's own. */
  readonly domain?: string;
  /** Absent: it has none. */
  readonly name?: string;
  /** In the operator's order; an empty name for one that is not given. */
  readonly inputs: readonly string[];
  /** In the operator's order; an empty name for one that is not wanted. */
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** A tensor in the file: ONNX calls it an initializer. */
export interface OnnxConstant {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
  /** Its elements, little-endian, one after the other. */
  readonly bytes: Uint8Array;
}

/** Type and shape of a value whose every dimension is known. */
export interface KnownValue {
  readonly type: ElementType;
  readonly shape: readonly number[];
}

/** An input or output of a graph. A dimension that is a text is any number, and all of the same text are equal. */
export interface OnnxValue {
  readonly name: string;
  /** Absent of an output whose type follows from the graph. */
  readonly type?: ElementType;
  /** Absent where it is not known. */
  readonly shape?: readonly (number | string)[];
}

/** A graph: constants and inputs, what is computed of them, and what of that is given out. */
export interface OnnxGraph {
  readonly nodes: readonly OnnxNode[];
  readonly constants: readonly OnnxConstant[];
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
}

/** A graph with what says how its operations are to be understood. */
export interface OnnxModel {
  readonly graph: OnnxGraph;
  /** Versions of operator sets by domain; ONNX's own has the domain ''. */
  readonly operatorSets: ReadonlyMap<string, number>;
  /** What the file says of the model besides, in its `metadata_props`. Default: nothing. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A constant of float32 values, which are not copied. */
export function floats(name: string, shape: readonly number[], values: Float32Array): OnnxConstant {
  return { name, type: 'float32', shape, bytes: bytesOf(values) };
}

/** A constant of float64 values, which are not copied. */
export function doubles(name: string, shape: readonly number[], values: Float64Array): OnnxConstant {
  return { name, type: 'float64', shape, bytes: bytesOf(values) };
}

/** A constant of int64 values. */
export function integers(name: string, shape: readonly number[], values: readonly number[]): OnnxConstant {
  return { name, type: 'int64', shape, bytes: bytesOf(BigInt64Array.from(values, BigInt)) };
}

/** The memory of an array, as bytes. */
export function bytesOf(values: ArrayBufferView): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
