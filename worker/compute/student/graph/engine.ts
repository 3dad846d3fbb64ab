/**
 * The compiled engine: a student's forward and its gradient as ONNX graphs, differentiated here and run by onnxruntime.
 * It takes what has a form in ONNX whose operators have gradients.
 */
import { UserError } from '../../../../shared/errors.js';
import { layersOf } from '../../../../shared/models/topology.js';
import type { StudentSpec } from '../../../../shared/models/student-spec.js';
import type { OnnxNode } from '../../onnx/graph.js';
import type { StudentEngine } from '../engine.js';
import { layersObjection } from '../tfjs/layers.js';
import { objectionToNode } from './differentiate.js';
import { layersForward } from './layers-forward.js';
import { graphOf } from './onnx-forward.js';
import { operatorFor } from './operators/operators.js';
import { GraphStudent } from './student.js';

export const graphEngine: StudentEngine = {
  name: 'onnx',
  objectionTo: ({ spec }) => ('graph' in spec ? null : layersObjection(spec.topology)) ?? graphObjection(spec),
  build: (definition) => GraphStudent.open(definition),
};

/** Operators that a gradient does not go through, or that are gone when shapes are known. */
const withoutGradient = new Set([
  ...['Shape', 'Size', 'Constant', 'ConstantOfShape', 'ArgMax', 'ArgMin'],
  ...['Equal', 'Less', 'LessOrEqual', 'Greater', 'GreaterOrEqual', 'Not', 'And', 'Or', 'IsNaN', 'IsInf'],
]);

function graphObjection(spec: StudentSpec): string | null {
  if (!('graph' in spec)) {
    const layers = layersOf(spec.topology);
    const masked = layers.find(({ className }) => className === 'Masking');
    if (masked !== undefined) return `student layer ${masked.name} (Masking): masks are not compiled`;
    const recurrent = layers.find(({ className }) => /RNN|LSTM|GRU/.test(className));
    if (recurrent !== undefined)
      return `student layer ${recurrent.path.join('/')} (${recurrent.className}): recurrent layers are not compiled`;
  }
  try {
    const nodes = 'graph' in spec ? graphOf(spec).graph.nodes : layersForward(spec, { isTraining: true }).nodes;
    const node = dependingOn(nodes, new Set(spec.weights.map(({ name }) => name))).find(
      // A mask takes the place of a dropout.
      (one) => one.op !== 'Dropout' && operatorFor(one) === undefined,
    );
    return node === undefined ? null : objectionToNode(node);
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
}

/** The nodes through which gradients of the weights may go. */
function dependingOn(nodes: readonly OnnxNode[], weights: ReadonlySet<string>): OnnxNode[] {
  const active = new Set(weights);
  return nodes.filter((node) => {
    if (!node.inputs.some((name) => active.has(name)) || withoutGradient.has(node.op)) return false;
    for (const name of node.outputs) active.add(name);
    return true;
  });
}
