/**
 * Reverse-mode differentiation of an ONNX graph: nodes are gone through from the last to the first, and each adds the
 * gradients of its inputs, as nodes, to those that other nodes gave. Sums are taken in that order, so that the graph is
 * the same on every machine (Griewank and Walther, Evaluating Derivatives, 2008, chapter 3). Pure.
 */
import { must } from '../../../../shared/must.js';
import type { OnnxConstant, OnnxNode } from '../../onnx/graph.js';
import type { FixedGraph } from './fixed-graph.js';
import { NoGradient, plainForms, type BackwardNode, type Operator } from './gradient/operator.js';
import { operatorFor } from './operators/operators.js';
import { numbersOf } from './constants.js';
import { GraphWriter } from './gradient/writer.js';

/** The part of a graph that computes gradients. */
export interface BackwardGraph {
  /** They take values of the forward graph, and the seeds. */
  readonly nodes: readonly OnnxNode[];
  readonly constants: readonly OnnxConstant[];
  /** The name of the gradient of each value that was asked for and that the seeded ones depend on. */
  readonly gradients: ReadonlyMap<string, string>;
}

/**
 * @param seeds of some of the graph's values, the name of the loss's gradient with respect to them
 * @param wanted the inputs whose gradients are asked for
 * @param device what computes the graph
 * @throws NoGradient naming the node between them that has none
 */
export function differentiate(
  graph: FixedGraph,
  seeds: ReadonlyMap<string, string>,
  wanted: ReadonlySet<string>,
  device = plainForms,
): BackwardGraph {
  const write = new GraphWriter('gradient.');
  const active = dependentOn(graph, wanted);
  const sums = new Map([...seeds].map(([value, seed]) => [value, [seed]]));
  const take = (name: string): string | null => {
    const parts = sums.get(name) ?? [];
    const [first = null, ...others] = parts;
    if (first === null || others.length === 0) return first;
    const sum = others.reduce((total, part) => write.node('Add', [total, part]), first);
    sums.set(name, [sum]);
    return sum;
  };
  for (const node of [...graph.nodes].reverse()) {
    if (!node.inputs.some((name) => active.has(name))) continue;
    const gradients = node.outputs.map(take);
    if (gradients.every((gradient) => gradient === null)) continue;
    const backward: BackwardNode = {
      node,
      write,
      gradients,
      device,
      wants: (input) => active.has(node.inputs[input] ?? ''),
      known: (name) => must(graph.known, name, 'value'),
      constant: (name) => {
        const constant = graph.constants.get(name);
        return constant === undefined ? null : numbersOf(constant);
      },
    };
    gradientsOf(node, backward).forEach((gradient, i) => {
      const name = node.inputs[i] ?? '';
      if (gradient === null || !active.has(name)) return;
      sums.set(name, [...(sums.get(name) ?? []), gradient]);
    });
  }
  const found = [...wanted].flatMap((name) => {
    const gradient = take(name);
    return gradient === null ? [] : [[name, gradient] as const];
  });
  return { nodes: write.nodes, constants: write.constants, gradients: new Map(found) };
}

/** Names of the floating-point values that depend on the wanted ones, those themselves included. */
function dependentOn({ nodes, known }: FixedGraph, wanted: ReadonlySet<string>): ReadonlySet<string> {
  const active = new Set(wanted);
  for (const { inputs, outputs } of nodes) {
    if (!inputs.some((name) => active.has(name))) continue;
    for (const name of outputs) if (name !== '' && known.get(name)?.type === 'float32') active.add(name);
  }
  return active;
}

/** @throws NoGradient naming the node, when its operator is not known */
function operatorOf(node: OnnxNode): Operator {
  const operator = operatorFor(node);
  if (operator === undefined) throw new NoGradient(objectionToNode(node));
  return operator;
}

/** @throws NoGradient naming the node, when its gradient cannot be written */
function gradientsOf(node: OnnxNode, backward: BackwardNode): readonly (string | null)[] {
  const operator = operatorOf(node);
  try {
    return operator.gradient(backward);
  } catch (error) {
    if (!(error instanceof NoGradient)) throw error;
    throw new NoGradient(`${titleOf(node)}: no gradient of ${error.message}`, { cause: error });
  }
}

/** Why a node cannot be differentiated, in words for the user. */
export function objectionToNode(node: OnnxNode): string {
  return `${titleOf(node)}: it has no gradient here`;
}

function titleOf({ name, op, domain, outputs }: OnnxNode): string {
  return `node ${name ?? outputs[0] ?? ''} (${domain === undefined ? op : `${domain}.${op}`})`;
}
