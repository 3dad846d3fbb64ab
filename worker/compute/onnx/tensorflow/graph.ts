/** A frozen TensorFlow graph as ONNX nodes, channels last between them. Pure. */
import { must } from '../../../../shared/must.js';
import { OnnxBuilder } from '../layers/builder.js';
import { NoOnnxForm } from '../no-onnx-form.js';
import { asValue, NodeWriter, type KnownTensor, type Operand, type TensorFlowNode } from './node.js';
import { writerOf } from './operators.js';

export interface FrozenTensorFlow {
  /** Nodes by name. */
  readonly nodes: ReadonlyMap<string, TensorFlowNode>;
  /** Values of `Const` nodes by name. */
  readonly constants: ReadonlyMap<string, KnownTensor>;
  /** The placeholder that takes the samples. */
  readonly input: string;
  /** Whether the samples are whole numbers. */
  readonly isWhole: boolean;
  /** What is wanted: a node's name, with `:1` behind it for its second output. */
  readonly output: string;
}

export interface WrittenGraph {
  readonly builder: OnnxBuilder;
  readonly output: string;
  /** First outputs of nodes, by the nodes' names. */
  readonly values: ReadonlyMap<string, string>;
}

/** ONNX' number for int64. */
const int64 = 7;

/**
 * Names of the nodes that a value follows from, each after those that it follows from itself.
 * @param inputsOf null for a name that is no node of interest
 */
export function pathTo(output: string, inputsOf: (name: string) => readonly string[] | null): string[] {
  const seen = new Set<string>();
  const order: string[] = [];
  const todo = [{ name: bareName(output), isDone: false }];
  for (let at = todo.pop(); at !== undefined; at = todo.pop()) {
    const { name, isDone } = at;
    if (isDone) order.push(name);
    const inputs = inputsOf(name);
    if (isDone || seen.has(name) || inputs === null) continue;
    seen.add(name);
    todo.push({ name, isDone: true }, ...inputs.map((input) => ({ name: bareName(input), isDone: false })).reverse());
  }
  return order;
}

/** A node's name without its output's number (`x:0`) and a control input's mark (`^x`). */
export function bareName(input: string): string {
  return input.replace(/^\^/, '').replace(/:\d+$/, '');
}

/** @throws NoOnnxForm naming the node that has no form in ONNX */
export function writeTensorFlow(graph: FrozenTensorFlow, input: string): WrittenGraph {
  const { nodes, constants } = graph;
  const builder = new OnnxBuilder(new Map());
  const made = new Map<string, readonly Operand[]>();
  const samples = graph.isWhole ? builder.node('Cast', [input], { to: int64 }) : input;
  made.set(graph.input, [samples]);
  const find = (name: string): Operand => {
    const place = Number(/:(\d+)$/.exec(name)?.[1] ?? 0);
    const operand = must(made, bareName(name), 'node')[place];
    if (operand === undefined) throw new NoOnnxForm(`node ${bareName(name)}`, `it has no output ${place}`);
    return operand;
  };
  for (const name of pathTo(graph.output, (one) => nodes.get(one)?.input ?? null)) {
    const node = must(nodes, name, 'node');
    if (name === graph.input || node.op === 'NoOp') continue;
    const known = constants.get(name);
    made.set(name, known === undefined ? writeNode(builder, node, find) : [known]);
  }
  const first = ([value = '']: readonly Operand[]): string => asValue(builder, value);
  return {
    builder,
    output: asValue(builder, find(graph.output)),
    values: new Map(
      [...made].flatMap(([name, operands]) =>
        name === graph.input || constants.has(name) ? [] : [[name, first(operands)] as const],
      ),
    ),
  };
}

function writeNode(builder: OnnxBuilder, node: TensorFlowNode, find: (name: string) => Operand): readonly Operand[] {
  const operands = node.input.filter((name) => !name.startsWith('^')).map(find);
  const writer = new NodeWriter(builder, node, operands);
  const [only] = operands;
  // What is the same as a constant is one.
  if (node.op === 'Identity' && only !== undefined && typeof only !== 'string') return [only];
  const write = writerOf(node.op);
  if (write === undefined) throw writer.refusal('operators of this type cannot be written as ONNX');
  return [write(writer)].flat();
}
