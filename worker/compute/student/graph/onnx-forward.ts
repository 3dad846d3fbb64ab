/**
 * The forward of a student that is an ONNX graph. Its float initialisers are the weights. Batch norm computes by the
 * micro-batch's own moments in training, whether the file was written for training or not, and by its moving values in
 * inference; dropout drops in training alone.
 */
import type { GraphSpec } from '../../../../shared/models/student-spec.js';
import { must } from '../../../../shared/must.js';
import type { KnownValue, OnnxModel, OnnxNode } from '../../onnx/graph.js';
import { withoutInitialisers } from '../../onnx/initialisers.js';
import { readOnnx } from '../../onnx/read.js';
import { upgradeOnnx } from '../../onnx/upgrade.js';
import { fixGraph } from './fixed-graph.js';
import { samplesName, type Forward, type Moments, type Purpose } from './forward.js';
import { byBatchMoments, noMoments } from './gradient/batch-moments.js';
import { GraphWriter } from './gradient/writer.js';
import { feedGraph } from './student-feed.js';

/** The graph of the spec's file, brought to one operator set; its weights have no values. */
export function graphOf({ graph: { file }, weights }: GraphSpec): OnnxModel {
  const names = new Set(weights.map(({ name }) => name));
  return upgradeOnnx(readOnnx(withoutInitialisers(Buffer.from(file, 'base64'), names)));
}

/** @throws Error of onnxruntime when the graph cannot run on so many rows */
export async function onnxForward(spec: GraphSpec, { isTraining, rows, taps }: Purpose): Promise<Forward> {
  const model = graphOf(spec);
  const write = new GraphWriter('fed.');
  const own = new Set(spec.weights.map(({ name }) => name));
  const moments = new Map<string, Moments>();
  const kinds = new Map(spec.weights.map((weight) => [weight.name, weight]));
  const nodes = model.graph.nodes.flatMap((node): OnnxNode[] => {
    if (node.op === 'BatchNormalization') {
      const moving = kinds.get(node.inputs[3] ?? '');
      const isOwn = isTraining && moving?.kind === 'mean';
      const found = normOf(node, isOwn);
      if (isOwn) moments.set(moving.layer, found.moments);
      return [...found.nodes];
    }
    if (node.op === 'Dropout') return [dropoutOf(node, isTraining)];
    return [node];
  });
  feedGraph(write, spec, rows);
  const outputs = model.graph.outputs.map(({ name }) => name);
  const answer = outputs.at(-1) ?? '';
  const base: Forward = {
    operatorSets: model.operatorSets,
    nodes: [...write.nodes, ...nodes],
    constants: [...model.graph.constants.filter(({ name }) => !own.has(name)), ...write.constants, noMoments],
    answer,
    exits: outputs.slice(0, -1),
    tap: (name) => (name === 'logits' ? answer : valueOf(model, name)),
    moments,
  };
  return taps.every((tap) => tap === 'logits') ? base : withTaps(spec, base, { model, rows, taps });
}

/** A batch norm by the micro-batch's own moments, as nodes; or by its moving values. */
function normOf(node: OnnxNode, isOwn: boolean): { readonly nodes: readonly OnnxNode[]; readonly moments: Moments } {
  const [y = ''] = node.outputs;
  const { training_mode: _mode, momentum: _momentum, ...rest } = node.attributes;
  const moments = { mean: `${y}.mean`, variance: `${y}.variance` };
  const outputs = isOwn ? [y, moments.mean, moments.variance] : [y];
  const plain = { ...node, outputs, attributes: rest };
  return { moments, nodes: isOwn ? byBatchMoments(plain) : [plain] };
}

/** In training without its third input, which says whether to drop: the masks do; in inference nothing. */
function dropoutOf(node: OnnxNode, isTraining: boolean): OnnxNode {
  const [x = '', ratio = ''] = node.inputs;
  const [y = ''] = node.outputs;
  return isTraining
    ? { ...node, inputs: ratio === '' ? [x] : [x, ratio], outputs: [y] }
    : { op: 'Identity', inputs: [x], outputs: [y], attributes: {} };
}

/** A tap is the name of a value that a node makes. */
function valueOf({ graph }: OnnxModel, name: string): string {
  if (!graph.nodes.some(({ outputs }) => outputs.includes(name))) throw new Error(`the student has no tap ${name}`);
  return name;
}

/** Adds a transpose behind each tap of four sizes and more, whose channels come second there. */
async function withTaps(
  spec: GraphSpec,
  forward: Forward,
  { model, rows, taps }: { readonly model: OnnxModel; readonly rows: number; readonly taps: readonly string[] },
): Promise<Forward> {
  const values = new Map(taps.map((tap) => [tap, forward.tap(tap)]));
  const fixed = await fixGraph(
    {
      operatorSets: forward.operatorSets,
      graph: {
        nodes: forward.nodes,
        constants: forward.constants,
        inputs: [],
        outputs: [...values.values()].map((name) => ({ name })),
      },
    },
    inputsOf(spec, rows),
  );
  const write = new GraphWriter('tapped.');
  const turned = new Map(
    [...values].map(([tap, value]) => {
      const { length } = must(fixed.known, value, 'value').shape;
      const perm = [0, ...Array.from({ length: length - 2 }, (_, i) => i + 2), 1];
      return [tap, length > 3 && tap !== 'logits' ? write.node('Transpose', [value], { perm }) : value] as const;
    }),
  );
  return {
    ...forward,
    nodes: [...forward.nodes, ...write.nodes],
    tap: (name) => turned.get(name) ?? valueOf(model, name),
  };
}

/** What a student's graph is given: samples and weights. */
export function inputsOf(
  { inputShape, weights }: Pick<GraphSpec, 'inputShape' | 'weights'>,
  rows: number,
): ReadonlyMap<string, KnownValue> {
  return new Map([
    [samplesName, { type: 'float32', shape: [rows, ...inputShape] }],
    ...weights.map(({ name, shape }): [string, KnownValue] => [name, { type: 'float32', shape }]),
  ]);
}
