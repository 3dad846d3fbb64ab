/**
 * Reads facts about an ONNX file that onnxruntime does not tell: how many numbers its weights have, in which other files
 * it keeps them, and what it says of itself. Pure.
 */
import {
  attributeProto,
  dataTypes,
  graphProto,
  modelProto,
  nodeProto,
  stringStringEntryProto,
  tensorProto,
} from './proto.js';
import { onnxReach } from './reach.js';
import { countFloats, bytesIn, fieldsIn, numbersIn, textIn } from './reader.js';

/** What an ONNX file says of itself beside its graph. */
export interface OnnxFileFacts {
  /** Elements of all floating-point initializers, and the numbers that trees and the like keep in their settings. */
  readonly parameters: number;
  /** Names of external data files, relative to the model's folder; each once, in order. */
  readonly externalFiles: readonly string[];
}

const floatTypes: ReadonlySet<unknown> = new Set([
  dataTypes.float32,
  dataTypes.float16,
  dataTypes.float64,
  dataTypes.bfloat16,
]);

/** @throws RangeError when the bytes are no protobuf message */
export function readOnnxFacts(model: Uint8Array): OnnxFileFacts {
  let parameters = 0;
  for (const graph of bytesIn(model, modelProto.graph)) {
    for (const initializer of bytesIn(graph, graphProto.initializer)) parameters += floatsIn(initializer);
    for (const node of bytesIn(graph, graphProto.node)) parameters += learntIn(node);
  }
  return { parameters, externalFiles: onnxReach(model).locations };
}

/** The operators of classical models: trees, linear models, support vectors. Their numbers are lists in their settings. */
const classicalDomain = 'ai.onnx.ml';

/** Numbers in lists of a node's settings that were learnt; a tree's hit rates were not. */
function learntIn(node: Uint8Array): number {
  if (textIn(node, nodeProto.domain) !== classicalDomain) return 0;
  return bytesIn(node, nodeProto.attribute).reduce(
    (sum, attribute) =>
      textIn(attribute, attributeProto.name).endsWith('hitrates')
        ? sum
        : sum + countFloats(attribute, attributeProto.floats),
    0,
  );
}

/** Elements of a floating-point tensor; 0 for tensors of other types. */
function floatsIn(tensor: Uint8Array): number {
  let [elements, isFloat] = [1, false];
  for (const { number, value } of fieldsIn(tensor)) {
    if (number === tensorProto.dims) for (const dim of numbersIn(value)) elements *= dim;
    if (number === tensorProto.dataType) isFloat = floatTypes.has(value);
  }
  return isFloat ? elements : 0;
}

/** The entries of the model's `metadata_props`, by key. @throws RangeError when the bytes are no protobuf message */
export function readOnnxMetadata(model: Uint8Array): Record<string, string> {
  return Object.fromEntries(
    bytesIn(model, modelProto.metadata).map((entry) => [
      textIn(entry, stringStringEntryProto.key),
      textIn(entry, stringStringEntryProto.value),
    ]),
  );
}
