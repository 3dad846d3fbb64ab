/**
 * What an ONNX model reaches outside of its own bytes: files that hold elements of its tensors, wherever in the model a
 * tensor may stand, and operators that no library here is meant to have. ONNX Runtime opens such files itself, and
 * those of a model that it gets as bytes below the working directory: so whoever opens a session asks here first. Pure.
 */
import { namesOwnFile, nameText } from '../../../shared/models/file-names.js';
import { nodeProto, stringStringEntryProto, tensorProto } from './proto.js';
import { bytesIn, fieldsIn, textIn } from './reader.js';

/** A message of onnx.proto3 by the messages in its fields. */
type Message = 'model' | 'training' | 'graph' | 'function' | 'node' | 'attribute' | 'sparse' | 'tensor';

/** The fields of each message that lead to tensors or nodes, by number. */
const parts: Readonly<Record<Message, Readonly<Record<number, Message>>>> = {
  model: { 7: 'graph', 20: 'training', 25: 'function' },
  training: { 1: 'graph', 2: 'graph' },
  graph: { 1: 'node', 5: 'tensor', 15: 'sparse' },
  function: { 7: 'node', 11: 'attribute' },
  node: { 5: 'attribute' },
  attribute: { 5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse' },
  sparse: { 1: 'tensor', 2: 'tensor' },
  tensor: {},
};

/** Deeper messages are refused by protobuf's own readers. */
const deepest = 100;

/** Operators of these domains are ONNX Runtime's own, which compute and do nothing else. */
const knownDomains: ReadonlySet<string> = new Set([
  ...['', 'ai.onnx', 'ai.onnx.ml', 'ai.onnx.training', 'ai.onnx.preview.training'],
  ...['com.microsoft', 'com.microsoft.nchwc', 'com.microsoft.experimental', 'com.ms.internal.nhwc'],
]);

/** The operators of these domains that open a file or a library that the node names. */
const reachingOperators: ReadonlySet<string> = new Set(['EPContext', 'PyOp', 'PythonOp', 'PythonOpGrad', 'ATen']);

export interface OnnxReach {
  /** Names of external data files as the model has them, each once, in order. */
  readonly locations: readonly string[];
  /** What the first operator is that may do more than compute, for people; null where there is none. */
  readonly operator: string | null;
}

/**
 * @throws RangeError when the bytes are no protobuf message, are nested too deep, or are what ONNX Runtime would read as
 * its own format
 */
export function onnxReach(model: Uint8Array): OnnxReach {
  // The mark of ONNX Runtime's own format, which would be read in place of what is looked at here.
  if (Buffer.from(model.subarray(4, 8)).toString('latin1') === 'ORTM') throw new RangeError('it is in ORT format');
  const [locations, domains] = [new Set<string>(), new Set(knownDomains)];
  for (const one of bytesIn(model, functionsField)) domains.add(textIn(one, functionDomain));
  let operator: string | null = null;
  const walk = (message: Uint8Array, kind: Message, depth: number): void => {
    if (depth > deepest) throw new RangeError('its graphs are nested too deep');
    if (kind === 'tensor') locationsIn(message).forEach((location) => locations.add(location));
    if (kind === 'node') operator ??= foreignOperator(message, domains);
    if (kind === 'tensor') return;
    for (const { number, value } of fieldsIn(message)) {
      const next = parts[kind][number];
      if (next !== undefined && typeof value !== 'number') walk(value, next, depth + 1);
    }
  };
  walk(model, 'model', 0);
  return { locations: [...locations], operator };
}

const functionsField = 25;
const functionDomain = 10;

/** All of them: a library may take another one of several than we do. */
function locationsIn(tensor: Uint8Array): string[] {
  return bytesIn(tensor, tensorProto.externalData)
    .filter((entry) => textIn(entry, stringStringEntryProto.key) === 'location')
    .map((entry) => textIn(entry, stringStringEntryProto.value));
}

function foreignOperator(node: Uint8Array, domains: ReadonlySet<string>): string | null {
  const [domain, op, name] = [nodeProto.domain, nodeProto.opType, nodeProto.name].map((number) => textIn(node, number));
  if (domain === undefined || op === undefined) return null;
  if (domains.has(domain) && !reachingOperators.has(op)) return null;
  return `node ${name === '' ? 'without a name' : `"${name}"`}: operator ${op} of ${domain === '' ? 'ONNX' : domain}`;
}

/**
 * Why a model must not be opened; null for one that may.
 * @param files the names of those files beside it that are its own
 * @throws RangeError as `onnxReach` does
 */
export function foreignReach(model: Uint8Array, files: ReadonlySet<string>): string | null {
  const { locations, operator } = onnxReach(model);
  const foreign = locations.find((name) => !namesOwnFile(name) || !files.has(name));
  if (foreign !== undefined)
    return `it keeps weights in ${nameText(foreign)}; files of its own folder alone were wanted`;
  return operator === null ? null : `${operator}, which may do more than compute; ONNX's own operators were wanted`;
}
