/**
 * A student as the graph of a training forward: what it gives to the losses, and what a step reports besides.
 *
 * Its values, in the order that losses know (../loss-outputs.ts): the answer, the earlier exits, each pair's tap behind
 * its adapter, and the later taps that pairs take for their teacher.
 */
import type { StudentSpec } from '../../../../shared/models/student-spec.js';
import { must } from '../../../../shared/must.js';
import type { TapPair } from '../../../../shared/losses/term.js';
import { tapPairs } from '../../../../shared/recipe/terms.js';
import { carryTransposes } from '../../onnx/carry-transposes.js';
import type { OnnxModel } from '../../onnx/graph.js';
import { adapterName } from '../adapter-weights.js';
import type { StudentDefinition } from '../engine.js';
import { laterTaps } from '../loss-outputs.js';
import type { Forward, Moments, Purpose } from './forward.js';
import { byBatchMoments, noMoments } from './gradient/batch-moments.js';
import { GraphWriter } from './gradient/writer.js';
import { layersForward } from './layers-forward.js';
import { onnxForward } from './onnx-forward.js';

/** A student's forward in training, for any number of rows. */
export interface TrainingGraph {
  /** Its inputs are the samples, and the weights by name. */
  readonly model: OnnxModel;
  /** Names of what it gives to the losses, in their order. */
  readonly values: readonly string[];
  /** By batch-norm layer. */
  readonly moments: ReadonlyMap<string, Moments>;
}

/** @throws UserError 65 for a layer that has no form in ONNX */
export async function trainingGraph({ spec, losses }: StudentDefinition, rows: number): Promise<TrainingGraph> {
  const pairs = tapPairs(losses);
  const later = laterTaps(pairs);
  const taps = [...new Set([...pairs.map(({ student }) => student), ...later])];
  const forward = await forwardOf(spec, { isTraining: true, rows, taps });
  const write = new GraphWriter('losses.');
  const named = [
    forward.answer,
    ...forward.exits,
    ...pairs.map((pair) => adapted(write, { pair, rows, spec }, forward.tap(pair.student))),
    ...later.map((tap) => forward.tap(tap)),
  ];
  // A value of its own for each, so that each has its gradient apart.
  const values = named.map((value) => write.node('Identity', [value]));
  const moments = [...forward.moments.values()].flatMap(({ mean, variance }) => [mean, variance]);
  return {
    model: finished(spec, forward, { write, outputs: [...values, ...moments] }),
    values,
    moments: forward.moments,
  };
}

/** The student in inference mode: its earlier exits, then its answer. */
export async function inferenceGraph(
  spec: StudentSpec,
  rows: number,
): Promise<{ readonly model: OnnxModel; readonly values: readonly string[] }> {
  const forward = await forwardOf(spec, { isTraining: false, rows, taps: [] });
  const write = new GraphWriter('outputs.');
  const values = [...forward.exits, forward.answer].map((value) => write.node('Identity', [value]));
  return { model: finished(spec, forward, { write, outputs: values }), values };
}

async function forwardOf(spec: StudentSpec, purpose: Purpose): Promise<Forward> {
  return 'graph' in spec ? onnxForward(spec, purpose) : layersForward(spec, purpose);
}

function finished(
  spec: StudentSpec,
  forward: Forward,
  { write, outputs }: { readonly write: GraphWriter; readonly outputs: readonly string[] },
): OnnxModel {
  const own = [...forward.constants, ...write.constants];
  const constants = own.includes(noMoments) ? own : [...own, noMoments];
  const model = {
    operatorSets: forward.operatorSets,
    graph: {
      nodes: [...forward.nodes, ...write.nodes],
      constants,
      inputs: [],
      outputs: outputs.map((name) => ({ name })),
    },
  };
  if ('graph' in spec) return model;
  const ranks = new Map([...constants, ...spec.weights].map(({ name, shape }) => [name, shape.length]));
  return carryTransposes(model, ranks);
}

interface Adapting {
  readonly pair: TapPair;
  readonly rows: number;
  readonly spec: StudentSpec;
}

/** A pair's tap as the teacher's is shaped: [rows, ..., C'], or of a dense adapter [rows, D']. */
function adapted(write: GraphWriter, { pair, rows, spec }: Adapting, tap: string): string {
  if (pair.adapter === undefined || pair.adapter === 'identity') return tap;
  const weight = (name: string): string => `${adapterName(pair)}/${name}`;
  const shapes = new Map(spec.weights.map(({ name, shape }) => [name, shape]));
  const [from = 1, to = 1] = must(shapes, weight('kernel'), 'weight');
  const flat = write.node('Reshape', [tap, write.integers(-1, from)]);
  const linear = write.node('Gemm', [flat, weight('kernel'), weight('bias')]);
  const normed = pair.batchNorm ? normalised(write, linear, weight) : linear;
  const active = pair.activation === 'relu' ? write.node('Relu', [normed]) : normed;
  if (pair.adapter === 'dense') return write.node('Reshape', [active, write.integers(rows, to)]);
  const ends = [write.integers(0), write.integers(-1), write.integers(0)];
  const places = write.node('Slice', [write.node('Shape', [tap]), ...ends]);
  return write.node('Reshape', [active, write.node('Concat', [places, write.integers(to)], { axis: 0 })]);
}

/** Batch norm of [rows, channels] by their own moments, which nobody else asks for. */
function normalised(write: GraphWriter, x: string, weight: (name: string) => string): string {
  const [y, mean, variance] = [write.fresh(), write.fresh(), write.fresh()];
  const node = {
    op: 'BatchNormalization',
    inputs: [x, weight('gamma'), weight('beta')],
    outputs: [y, mean, variance],
    attributes: { epsilon: { float: 1e-3 } },
  };
  write.nodes.push(...byBatchMoments(node));
  return y;
}
