/**
 * The compiled engine: a student's forward and its gradient as ONNX graphs, differentiated here and run by onnxruntime.
 * It takes what has a form in ONNX whose operators have gradients.
 */
import { UserError } from '../../../../shared/errors.js';
import { layersOf } from '../../../../shared/models/topology.js';
import type { StudentDefinition, StudentEngine } from '../engine.js';
import { layersObjection } from '../tfjs/layers.js';
import { objectionToNode } from './differentiate.js';
import { operatorFor } from './operators/operators.js';
import { GraphStudent } from './student.js';
import { trainingGraph } from './training-graph.js';

export const graphEngine: StudentEngine = {
  name: 'onnx',
  objectionTo: (definition) => layersObjection(definition.spec.topology) ?? graphObjection(definition),
  build: (definition) => GraphStudent.open(definition),
};

/** Operators that are gone when shapes are known, or that no gradient goes through. */
const withoutGradient = new Set(['Shape', 'Size', 'Constant', 'ConstantOfShape', 'Dropout', 'Equal', 'Not', 'Less']);

function graphObjection(definition: StudentDefinition): string | null {
  const masked = layersOf(definition.spec.topology).find(({ className }) => className === 'Masking');
  if (masked !== undefined) return `student layer ${masked.name} (Masking): masks are not compiled`;
  try {
    const { model } = trainingGraph(definition, 1);
    const node = model.graph.nodes.find((one) => !withoutGradient.has(one.op) && operatorFor(one) === undefined);
    return node === undefined ? null : objectionToNode(node);
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
}
