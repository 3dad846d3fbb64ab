/**
 * The field numbers of the ONNX messages that this program reads and writes, each object named as the message in
 * onnx.proto3 (the schema of the ONNX project, IR version 8). Both the reader of teachers and the export of students
 * take them from here.
 */

export const modelProto = { irVersion: 1, producerName: 2, graph: 7, opsetImport: 8, metadata: 14 } as const;

export const operatorSetProto = { domain: 1, version: 2 } as const;

export const graphProto = { node: 1, name: 2, initializer: 5, input: 11, output: 12 } as const;

export const nodeProto = { input: 1, output: 2, name: 3, opType: 4, attribute: 5, domain: 7 } as const;

export const attributeProto = {
  name: 1,
  float: 2,
  integer: 3,
  text: 4,
  tensor: 5,
  graph: 6,
  floats: 7,
  integers: 8,
  texts: 9,
  type: 20,
} as const;

/** The values of AttributeProto's field `type`, each named as the field of `attributeProto` that holds the value. */
export const attributeTypes = {
  float: 1,
  integer: 2,
  text: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  integers: 7,
  texts: 8,
} as const;

export const tensorProto = {
  dims: 1,
  dataType: 2,
  floats: 4,
  int32s: 5,
  int64s: 7,
  name: 8,
  rawData: 9,
  doubles: 10,
  uint64s: 11,
  externalData: 13,
  dataLocation: 14,
} as const;

/** The values of TensorProto's field `dataType` that this program knows. */
export const dataTypes = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
} as const;

export const valueInfoProto = { name: 1, type: 2 } as const;

export const typeProto = { tensorType: 1 } as const;

export const tensorTypeProto = { elementType: 1, shape: 2 } as const;

export const tensorShapeProto = { dimension: 1 } as const;

/** A dimension is a number, or a name where any number is allowed. */
export const dimensionProto = { value: 1, name: 2 } as const;

export const stringStringEntryProto = { key: 1, value: 2 } as const;
