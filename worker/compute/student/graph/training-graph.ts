/**
 * A student of layers as the graph of a training forward: what it gives to the losses, and what a step reports besides.
 *
 * Its values, in the order that losses know (../loss-outputs.ts): the answer, the earlier exits, each pair's tap behind
 * its adapter, and the later taps that pairs take for their teacher.
 */
import { outputLayers } from '../../../../shared/models/exits.js';
import type { StudentSpec } from '../../../../shared/models/student-spec.js';
import { modelOf } from '../../../../shared/models/topology.js';
import { must } from '../../../../shared/must.js';
import type { TapPair } from '../../../../shared/losses/term.js';
import { tapPairs } from '../../../../shared/recipe/terms.js';
import { carryTransposes } from '../../onnx/carry-transposes.js';
import type { OnnxModel, OnnxValue } from '../../onnx/graph.js';
import { writeModel } from '../../onnx/layers/layers-model.js';
import { ownOperatorSets } from '../../onnx/write.js';
import { adapterName } from '../adapter-weights.js';
import type { StudentDefinition } from '../engine.js';
import { laterTaps } from '../loss-outputs.js';
import { LiveBuilder, type Moments } from './live-builder.js';

/** A student's forward in training, for any number of rows. */
export interface TrainingGraph {
  /** Its inputs are `input`, [rows x sample], and the weights by name. */
  readonly model: OnnxModel;
  /** Names of what it gives to the losses, in their order. */
  readonly values: readonly string[];
  /** By batch-norm layer. */
  readonly moments: ReadonlyMap<string, Moments>;
}

/** The name of the graph's samples. */
export const samplesName = 'input';

/** @throws UserError 65 for a layer that has no form in ONNX */
export function trainingGraph({ spec, losses }: StudentDefinition, rows: number): TrainingGraph {
  const builder = new LiveBuilder(spec.weights, { isTraining: true });
  const answer = writeStudent(builder, spec);
  const pairs = tapPairs(losses);
  const tap = (name: string): string => (name === 'logits' ? answer : must(builder.outputs, name, 'tap'));
  const named = [
    answer,
    ...(spec.exits ?? []).map((exit) => must(builder.outputs, exit, 'exit')),
    ...pairs.map((pair) => adapted(builder, { pair, rows }, tap(pair.student))),
    ...laterTaps(pairs).map(tap),
  ];
  // A value of its own for each, so that each has its gradient apart.
  const values = named.map((value, i) => {
    const name = `value${i}`;
    builder.nodes.push({ op: 'Identity', inputs: [value], outputs: [name], attributes: {} });
    return name;
  });
  const moments = [...builder.moments.values()].flatMap(({ mean, variance }) => [mean, variance]);
  return {
    model: finished(builder, spec, [...values, ...moments]),
    values,
    moments: builder.moments,
  };
}

/** The student in inference mode for any number of rows: its earlier exits, then its answer. */
export function inferenceGraph(spec: StudentSpec): { readonly model: OnnxModel; readonly values: readonly string[] } {
  const builder = new LiveBuilder(spec.weights, { isTraining: false });
  const answer = writeStudent(builder, spec);
  const named = [...(spec.exits ?? []).map((exit) => must(builder.outputs, exit, 'exit')), answer];
  const values = named.map((value, i) => {
    builder.nodes.push({ op: 'Identity', inputs: [value], outputs: [`value${i}`], attributes: {} });
    return `value${i}`;
  });
  return { model: finished(builder, spec, values), values };
}

function writeStudent(builder: LiveBuilder, { topology, inputShape }: StudentSpec): string {
  builder.ranks.set(samplesName, inputShape.length + 1);
  const model = modelOf(topology);
  const last = writeModel(builder, model, samplesName);
  return must(new Map([...builder.outputs, ['', last]]), outputLayers(model).at(-1) ?? '', 'output');
}

function finished(builder: LiveBuilder, spec: StudentSpec, outputs: readonly string[]): OnnxModel {
  const { nodes, constants } = builder;
  const inputs: OnnxValue[] = [
    { name: samplesName, type: 'float32', shape: ['batch', ...spec.inputShape] },
    ...spec.weights.map(({ name, shape }): OnnxValue => ({ name, type: 'float32', shape })),
  ];
  const ranks = new Map([
    ...constants.map(({ name, shape }) => [name, shape.length] as const),
    ...spec.weights.map(({ name, shape }) => [name, shape.length] as const),
  ]);
  const model = {
    operatorSets: ownOperatorSets,
    graph: { nodes, constants, inputs, outputs: outputs.map((name) => ({ name })) },
  };
  return carryTransposes(model, ranks);
}

/** A pair's tap as the teacher's is shaped: [rows, ..., C'], or of a dense adapter [rows, D']. */
function adapted(
  builder: LiveBuilder,
  { pair, rows }: { readonly pair: TapPair; readonly rows: number },
  tap: string,
): string {
  if (pair.adapter === undefined || pair.adapter === 'identity') return tap;
  const layer = { class_name: 'Adapter', config: { name: adapterName(pair) } };
  const weight = (name: string): string => builder.weightConstant(layer, name);
  const {
    shape: [from = 1, to = 1],
  } = builder.weight(layer, 'kernel');
  const flat = builder.node('Reshape', [tap, builder.integers(-1, from)]);
  const linear = builder.node('Gemm', [flat, weight('kernel'), weight('bias')]);
  const normed = pair.batchNorm
    ? builder.ownMoments(linear, { gamma: weight('gamma'), beta: weight('beta'), channels: to })
    : linear;
  const active = pair.activation === 'relu' ? builder.node('Relu', [normed]) : normed;
  if (pair.adapter === 'dense') return builder.node('Reshape', [active, builder.integers(rows, to)]);
  const places = builder.node('Slice', [
    builder.node('Shape', [tap]),
    builder.integers(0),
    builder.integers(-1),
    builder.integers(0),
  ]);
  const shape = builder.node('Concat', [places, builder.integers(to)], { axis: 0 });
  return builder.node('Reshape', [active, shape]);
}
