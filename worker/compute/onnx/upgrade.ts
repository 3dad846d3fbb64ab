/**
 * Brings a graph of an older operator set to version 18, so that whoever reads its nodes knows one form of each. Newer
 * graphs stay as they are: from 18 on, no operator that is read here has changed its form. Pure.
 */
import { ownEntry } from '../../../shared/own.js';
import { floats, integers, type OnnxConstant, type OnnxModel, type OnnxNode } from './graph.js';

const target = 18;
const oldest = 11;

/** Operators whose `axes` became an input, with the version in which they did. */
const axesMoved: Readonly<Record<string, number>> = {
  Squeeze: 13,
  Unsqueeze: 13,
  ReduceSum: 13,
  ReduceMean: 18,
  ReduceMax: 18,
  ReduceMin: 18,
  ReduceProd: 18,
  ReduceL1: 18,
  ReduceL2: 18,
  ReduceSumSquare: 18,
  ReduceLogSum: 18,
  ReduceLogSumExp: 18,
};

/** What is wrong with a model's operator set. */
export class OldOnnx extends Error {}

/** @throws OldOnnx for a graph before operator set 11 */
export function upgradeOnnx(model: OnnxModel): OnnxModel {
  const version = model.operatorSets.get('') ?? target;
  if (version < oldest) throw new OldOnnx(`operator set ${version}; ${oldest} or later wanted`);
  if (version >= target) return model;
  const constants: OnnxConstant[] = [];
  const constant: Constant = (make) => {
    const made = make(`upgrade.${constants.length}`);
    constants.push(made);
    return made.name;
  };
  const nodes = model.graph.nodes.flatMap((node) => upgradeNode(node, version, constant));
  return {
    operatorSets: new Map([...model.operatorSets, ['', target]]),
    graph: { ...model.graph, nodes, constants: [...model.graph.constants, ...constants] },
  };
}

/** Adds a constant under a name that is free. @returns the name */
type Constant = (make: (name: string) => OnnxConstant) => string;

function upgradeNode(node: OnnxNode, version: number, constant: Constant): OnnxNode[] {
  if (node.domain !== undefined) return [node];
  const moved = ownEntry(axesMoved, node.op);
  if (moved !== undefined && version < moved) return [withInput(node, 'axes', constant)];
  switch (node.op) {
    case 'Split':
      return version < 13 && 'split' in node.attributes ? [withInput(node, 'split', constant)] : [countedSplit(node)];
    case 'Softmax':
    case 'LogSoftmax':
    case 'Hardmax':
      return version < 13 ? flattened(node) : [node];
    case 'BatchNormalization':
      return [version < 14 ? spokenBatchNormalization(node) : node];
    case 'Dropout':
      return [version < 12 ? withRatio(node, constant) : node];
    default:
      return [node];
  }
}

function without(attributes: OnnxNode['attributes'], key: string): OnnxNode['attributes'] {
  return Object.fromEntries(Object.entries(attributes).filter(([name]) => name !== key));
}

/** The node with the attribute of that name as its second input. */
function withInput(node: OnnxNode, name: string, constant: Constant): OnnxNode {
  const value = node.attributes[name];
  const attributes = without(node.attributes, name);
  const [first = ''] = node.inputs;
  if (!Array.isArray(value)) return { ...node, attributes };
  const numbers = value.map(Number);
  return { ...node, inputs: [first, constant((free) => integers(free, [numbers.length], numbers))], attributes };
}

/** Before version 14 a batch norm was in training where it gave its moments, and gave them twice. */
function spokenBatchNormalization(node: OnnxNode): OnnxNode {
  const isTraining = node.outputs.length > 1;
  return {
    ...node,
    outputs: node.outputs.slice(0, 3),
    attributes: { ...without(node.attributes, 'spatial'), ...(isTraining ? { training_mode: 1 } : {}) },
  };
}

/** Before version 12 the share that a Dropout leaves out was an attribute, and 0.5 where it was not given. */
function withRatio(node: OnnxNode, constant: Constant): OnnxNode {
  const { ratio } = node.attributes;
  const share = typeof ratio === 'object' && 'float' in ratio ? ratio.float : 0.5;
  const name = constant((free) => floats(free, [], Float32Array.of(share)));
  return { ...node, inputs: [...node.inputs, name], attributes: without(node.attributes, 'ratio') };
}

/** From version 18 on a Split without sizes says into how many parts. */
function countedSplit(node: OnnxNode): OnnxNode {
  if (node.inputs.length > 1 || 'num_outputs' in node.attributes) return node;
  return { ...node, attributes: { ...node.attributes, num_outputs: node.outputs.length } };
}

/** Before version 13 a softmax went over all axes from `axis` (1) on, together: the last one alone needs no change. */
function flattened(node: OnnxNode): OnnxNode[] {
  const axis = typeof node.attributes.axis === 'number' ? node.attributes.axis : 1;
  const [input = ''] = node.inputs;
  const [output = ''] = node.outputs;
  if (axis === -1) return [node];
  const inner = `${output}.upgrade`;
  return [
    { op: 'Flatten', inputs: [input], outputs: [`${inner}.flat`], attributes: { axis } },
    { ...node, inputs: [`${inner}.flat`], outputs: [`${inner}.soft`], attributes: { axis: -1 } },
    { op: 'Shape', inputs: [input], outputs: [`${inner}.shape`], attributes: {} },
    { op: 'Reshape', inputs: [`${inner}.soft`, `${inner}.shape`], outputs: [output], attributes: {} },
  ];
}
