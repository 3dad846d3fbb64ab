/**
 * What a SavedModel would run: its graph and its library of functions, read from its file without TensorFlow, and the
 * first operation among them that may do more than compute. A SavedModel is a program: TensorFlow has operations that
 * read and write files, and runs them without a word.
 *
 * What runs is what is restored or initialised when a model is loaded, and what the outputs that are asked for follow
 * from. Every model also has nodes that would save it: they never run. Pure.
 */
import { bytesIn, textIn, textsIn } from '../../onnx/reader.js';
import { computingOperations } from './saved-model-operations.js';

/** Numbers of fields in TensorFlow's messages (saved_model, meta_graph, graph, function, node_def, attr_value, saver). */
const fields = {
  savedModel: { metaGraph: 2 },
  metaGraph: { graph: 2, saver: 3, collection: 4, signature: 5 },
  graph: { node: 1, library: 2 },
  library: { function: 1 },
  function: { signature: 1, node: 3, attribute: 5 },
  operation: { name: 1, argument: 2 },
  node: { name: 1, op: 2, input: 3, attribute: 5 },
  entry: { key: 1, value: 2 },
  attribute: { list: 1, function: 10 },
  attributeList: { function: 9 },
  functionName: { name: 1 },
  saver: { fileName: 1, restore: 3 },
  collection: { nodes: 1 },
  nodeList: { value: 1 },
  signature: { outputs: 2 },
  tensorInfo: { name: 1 },
} as const;

/** Names under which a model keeps what is run once it is loaded. */
const initialisers: ReadonlySet<string> = new Set(['saved_model_main_op', 'legacy_init_op', '__saved_model_init_op']);

/** An operation of a graph or of a function. */
interface RunNode {
  readonly name: string;
  readonly op: string;
  /** Nodes, or arguments of the function, whose values it takes or waits for; bare names. */
  readonly inputs: readonly string[];
  /** Functions that it may call. */
  readonly calls: readonly string[];
}

interface RunFunction {
  readonly name: string;
  readonly arguments: readonly string[];
  readonly nodes: readonly RunNode[];
  /** Whether TensorFlow may put it in the place of another one by itself. */
  readonly isAlternative: boolean;
}

/** Something that a model runs and that may do more than compute. */
export interface ForeignOperation {
  readonly op: string;
  /** The node's name, and the function's that it is in. */
  readonly place: string;
}

/**
 * @param outputs names of the tensors that are asked for, as a signature has them
 * @returns null where all that the model runs computes
 * @throws RangeError when the bytes are no protobuf message
 */
export function foreignOperation(file: Uint8Array, outputs: readonly string[]): ForeignOperation | null {
  for (const metaGraph of bytesIn(file, fields.savedModel.metaGraph)) {
    const found = new Reading(metaGraph).foreign(outputs);
    if (found !== null) return found;
  }
  return null;
}

class Reading {
  readonly #nodes = new Map<string, RunNode[]>();
  readonly #functions = new Map<string, RunFunction[]>();
  readonly #roots: string[];
  /** The node that TensorFlow puts the place of the model's own weights in. */
  readonly #weightsPath: string;

  constructor(metaGraph: Uint8Array) {
    for (const graph of bytesIn(metaGraph, fields.metaGraph.graph)) {
      for (const node of bytesIn(graph, fields.graph.node)) add(this.#nodes, readNode(node));
      for (const library of bytesIn(graph, fields.graph.library))
        for (const one of bytesIn(library, fields.library.function)) add(this.#functions, readFunction(one));
    }
    const saver = Buffer.concat(bytesIn(metaGraph, fields.metaGraph.saver));
    this.#weightsPath = bare(textIn(saver, fields.saver.fileName));
    this.#roots = [bare(textIn(saver, fields.saver.restore)), ...initialisersOf(metaGraph)];
  }

  foreign(outputs: readonly string[]): ForeignOperation | null {
    const nodes = this.#reached([...this.#roots, ...outputs.map(bare)]);
    const called = this.#called(nodes);
    const bodies = called.flatMap((one) => one.nodes.map((node) => ({ node, body: one })));
    const calls = [...nodes.map((node) => ({ node, body: null })), ...bodies];
    const bad = calls.find(
      ({ node, body }) =>
        !this.#functions.has(node.op) &&
        !computingOperations.has(node.op) &&
        !(node.op === 'RestoreV2' && this.#restoresOwn(node.inputs[0] ?? '', body, calls, 0)),
    );
    if (bad === undefined) return null;
    const { node, body } = bad;
    return { op: node.op, place: body === null ? node.name : `${node.name} of function ${body.name}` };
  }

  /** Nodes of the graph that these follow from. */
  #reached(names: readonly string[]): RunNode[] {
    const seen = new Set(names);
    for (const name of seen)
      for (const node of this.#nodes.get(name) ?? []) for (const input of node.inputs) seen.add(input);
    return [...seen].flatMap((name) => this.#nodes.get(name) ?? []);
  }

  /** Functions that these nodes call, and those that these call; all of a function runs once it is called. */
  #called(nodes: readonly RunNode[]): RunFunction[] {
    const names = new Set(nodes.flatMap(({ op, calls }) => [op, ...calls]));
    for (const [name, found] of this.#functions) if (found.some(({ isAlternative }) => isAlternative)) names.add(name);
    for (const name of names)
      for (const one of this.#functions.get(name) ?? [])
        for (const { op, calls } of one.nodes) [op, ...calls].forEach((next) => names.add(next));
    return [...names].flatMap((name) => this.#functions.get(name) ?? []);
  }

  /** Whether a path is that of the model's own weights, wherever it was handed on from. */
  #restoresOwn(
    name: string,
    body: RunFunction | null,
    calls: readonly { readonly node: RunNode; readonly body: RunFunction | null }[],
    depth: number,
  ): boolean {
    if (depth > 32) return false;
    if (body === null) {
      if (name === this.#weightsPath) return name !== '';
      const made = this.#nodes.get(name) ?? [];
      return (
        made.length === 1 &&
        made.every(({ op, inputs }) => op === 'Identity' && this.#restoresOwn(inputs[0] ?? '', null, calls, depth + 1))
      );
    }
    const at = body.arguments.indexOf(name);
    if (at < 0) {
      const made = body.nodes.filter((node) => node.name === name);
      return (
        made.length === 1 &&
        made.every(({ op, inputs }) => op === 'Identity' && this.#restoresOwn(inputs[0] ?? '', body, calls, depth + 1))
      );
    }
    const from = calls.filter(({ node }) => node.op === body.name || node.calls.includes(body.name));
    return (
      from.length > 0 &&
      from.every(
        (call) =>
          isPlainCall(call.node, body) && this.#restoresOwn(call.node.inputs[at] ?? '', call.body, calls, depth + 1),
      )
    );
  }
}

/** Whether a call hands on its inputs in the order of the function's arguments. */
function isPlainCall({ op }: RunNode, body: RunFunction): boolean {
  return op === body.name || op === 'PartitionedCall' || op === 'StatefulPartitionedCall';
}

function add<T extends { readonly name: string }>(map: Map<string, T[]>, one: T): void {
  map.set(one.name, [...(map.get(one.name) ?? []), one]);
}

/** A node's name without what says which of its outputs is meant, or that it is only waited for. */
function bare(input: string): string {
  return input.replace(/^\^/, '').replace(/:.*$/, '');
}

function readNode(node: Uint8Array): RunNode {
  return {
    name: textIn(node, fields.node.name),
    op: textIn(node, fields.node.op),
    inputs: textsIn(node, fields.node.input).map(bare),
    calls: bytesIn(node, fields.node.attribute).flatMap((entry) =>
      bytesIn(entry, fields.entry.value).flatMap(functionsIn),
    ),
  };
}

/** Names of the functions that an attribute holds. */
function functionsIn(attribute: Uint8Array): string[] {
  return [
    ...bytesIn(attribute, fields.attribute.function),
    ...bytesIn(attribute, fields.attribute.list).flatMap((list) => bytesIn(list, fields.attributeList.function)),
  ].map((one) => textIn(one, fields.functionName.name));
}

function readFunction(one: Uint8Array): RunFunction {
  const signature = Buffer.concat(bytesIn(one, fields.function.signature));
  const keys = bytesIn(one, fields.function.attribute).map((entry) => textIn(entry, fields.entry.key));
  return {
    name: textIn(signature, fields.operation.name),
    arguments: bytesIn(signature, fields.operation.argument).map((argument) => textIn(argument, fields.operation.name)),
    nodes: bytesIn(one, fields.function.node).map(readNode),
    isAlternative: keys.includes('api_implements'),
  };
}

/** Nodes that are run once the weights are there. */
function initialisersOf(metaGraph: Uint8Array): string[] {
  const valuesOf = (number: number): Uint8Array[] =>
    bytesIn(metaGraph, number)
      .filter((entry) => initialisers.has(textIn(entry, fields.entry.key)))
      .flatMap((entry) => bytesIn(entry, fields.entry.value));
  const listed = valuesOf(fields.metaGraph.collection)
    .flatMap((collection) => bytesIn(collection, fields.collection.nodes))
    .flatMap((list) => textsIn(list, fields.nodeList.value));
  const signed = valuesOf(fields.metaGraph.signature)
    .flatMap((signature) => bytesIn(signature, fields.signature.outputs))
    .flatMap((entry) => bytesIn(entry, fields.entry.value))
    .map((tensor) => textIn(tensor, fields.tensorInfo.name));
  return [...listed, ...signed].map(bare);
}
