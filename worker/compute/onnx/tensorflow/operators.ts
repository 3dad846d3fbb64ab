/** The operators of TensorFlow that have a form in ONNX, and what writes each. */
import { convolutions } from './convolutions.js';
import { elementwise } from './elementwise.js';
import type { WriteNode } from './node.js';
import { shapes } from './shapes.js';

const operators: ReadonlyMap<string, WriteNode> = new Map(
  Object.entries({ ...elementwise, ...convolutions, ...shapes }),
);

/** What writes nodes of that operator; undefined where it has no form in ONNX. */
export function writerOf(op: string): WriteNode | undefined {
  return operators.get(op);
}
