/**
 * A student's training graph, made ready for one number of rows. As one graph: forward, losses and backward. Or in two
 * parts: a forward that gives the losses their values, and a backward that takes the losses' gradients with respect to
 * these and gives those of the weights. Activations pass from one part to the other in memory of ours, so that a step
 * makes no garbage.
 */
import type { StudentSpec } from '../../../../shared/models/student-spec.js';
import { must, mustAt } from '../../../../shared/must.js';
import type { TapPair } from '../../../../shared/losses/term.js';
import { tapPairs } from '../../../../shared/recipe/terms.js';
import type { KnownValue, OnnxConstant, OnnxModel } from '../../onnx/graph.js';
import type { StudentDefinition } from '../engine.js';
import { laterTaps } from '../loss-outputs.js';
import { differentiate, type BackwardGraph } from './differentiate.js';
import { withMasks, type Mask } from './dropout.js';
import { blockedDomain, withBlocks } from './gradient/blocked.js';
import type { DeviceForms } from './gradient/operator.js';
import { fixGraph, withoutUnused, type FixedGraph } from './fixed-graph.js';
import type { FormedTerm } from './losses/forms.js';
import { lossGraph, type GraphTerm, type LossValue, type StudentValues } from './losses/loss-graph.js';
import { inputsOf } from './onnx-forward.js';
import { inferenceGraph, trainingGraph, type TrainingGraph } from './training-graph.js';

/** A student's forward and backward for one number of rows, as two graphs. */
export interface CompiledStudent {
  readonly forward: OnnxModel;
  readonly backward: OnnxModel;
  /** What the losses are given, in their order. */
  readonly values: readonly ValuePlace[];
  readonly masks: readonly Mask[];
  /** By batch-norm layer, with how many numbers each moment is taken over. */
  readonly moments: TrainingGraph['moments'];
  readonly countOf: (layer: string) => number;
  /** What the forward makes for the backward. */
  readonly saved: ReadonlyMap<string, KnownValue>;
  /** By weight, the name of its gradient among the backward's outputs; a weight that nothing depends on has none. */
  readonly gradients: ReadonlyMap<string, string>;
}

/** A value that the losses are given. */
export interface ValuePlace extends KnownValue {
  readonly name: string;
  /** The backward's input for the loss's gradient with respect to it; null where no weight that is trained is behind it. */
  readonly seed: string;
}

const microsoft = 'com.microsoft';

/** A student's forward, losses and backward as one graph for one number of rows. */
export interface WholeStudent {
  readonly model: OnnxModel;
  /** The student's answer among the outputs. */
  readonly answer: string;
  readonly masks: readonly Mask[];
  readonly moments: TrainingGraph['moments'];
  readonly countOf: (layer: string) => number;
  readonly terms: readonly GraphTerm[];
  /** What the losses are given, by the input that it comes by. */
  readonly lossInputs: ReadonlyMap<string, KnownValue>;
  /** What it gives beside gradients: the answer, the moments, and the values of terms. */
  readonly reported: ReadonlyMap<string, KnownValue>;
  /** By weight, the name of its gradient among the outputs; a weight that no loss depends on has none. */
  readonly gradients: ReadonlyMap<string, string>;
}

/**
 * In two parts, with the losses between them.
 *
 * @throws UserError 65 for a layer without a form in ONNX
 * @throws NoGradient naming a node that cannot be differentiated
 */
export async function compileStudent(
  definition: StudentDefinition,
  rows: number,
  device: DeviceForms,
): Promise<CompiledStudent> {
  const { graph, masks, names, moments } = await forwardGraph(definition, rows);
  const values = names.map((name): ValuePlace => ({ ...must(graph.known, name), name, seed: `seed ${name}` }));
  const seeds = new Map(values.map(({ name, seed }) => [name, seed]));
  const backward = backwardOf(definition, graph, { seeds, device });
  const saved = savedBy(graph, backward.nodes);
  return {
    forward: forwardModel(blocked(graph, device), saved),
    backward: backwardModel(graph, { ...backward, values, saved }),
    values,
    masks,
    moments,
    countOf: (layer) => countOf(graph, must(moments, layer).mean),
    saved,
    gradients: backward.gradients,
  };
}

/**
 * As one graph, with these terms inside it.
 *
 * @param taps of each teacher's tap, by `TEACHER/TAP`, the shape of one row
 * @throws as `compileStudent`
 */
export async function compileWhole(
  definition: StudentDefinition,
  rows: number,
  {
    terms,
    taps,
    device,
  }: {
    readonly terms: readonly FormedTerm[];
    readonly taps: ReadonlyMap<string, readonly number[]>;
    readonly device: DeviceForms;
  },
): Promise<WholeStudent> {
  const { spec, losses } = definition;
  const { graph, masks, names, moments } = await forwardGraph(definition, rows);
  const values = names.map((name) => ({ name, shape: must(graph.known, name).shape }));
  const lossRows = rows * (spec.positions ?? 1);
  const loss = lossGraph(terms, studentValues(spec, tapPairs(losses), values), {
    rows: lossRows,
    lead: spec.positions === undefined ? 1 : 2,
    classes: spec.classes,
    taps,
  });
  const backward = backwardOf(definition, graph, { seeds: loss.seeds, device });
  const forward = blocked(graph, device);
  const answer = mustAt(names, 0, 'value');
  const reported = new Map<string, KnownValue>([
    ...[answer, ...[...moments.values()].flatMap(({ mean, variance }) => [mean, variance])].map(
      (name) => [name, must(graph.known, name)] as const,
    ),
    ...loss.terms.flatMap(({ values: own }) =>
      own === null ? [] : [[own, { type: 'float64', shape: [lossRows, 1] }] as const],
    ),
  ]);
  const outputs = [...reported.keys(), ...backward.gradients.values()];
  const nodes = [...forward.nodes, ...loss.nodes, ...backward.nodes];
  const constants = [...loss.constants, ...backward.constants].map((one) => [one.name, one] as const);
  const whole = withoutUnused({ nodes, outputs, constants: new Map([...forward.constants, ...constants]) });
  const taken = new Set(whole.nodes.flatMap(({ inputs }) => inputs));
  return {
    model: {
      operatorSets: withOwnSets(graph.operatorSets, whole.nodes),
      graph: {
        nodes: whole.nodes,
        constants: [...whole.constants.values()],
        inputs: valueInfos([...graph.inputs, ...loss.inputs].filter(([name]) => taken.has(name))),
        outputs: outputs.map((name) => ({ name })),
      },
    },
    answer,
    masks,
    moments,
    countOf: (layer) => countOf(graph, must(moments, layer).mean),
    terms: loss.terms,
    lossInputs: loss.inputs,
    reported,
    gradients: backward.gradients,
  };
}

interface ForwardGraph {
  readonly graph: FixedGraph;
  readonly masks: readonly Mask[];
  /** What the losses are given, in their order. */
  readonly names: readonly string[];
  readonly moments: TrainingGraph['moments'];
}

async function forwardGraph(definition: StudentDefinition, rows: number): Promise<ForwardGraph> {
  const made = await trainingGraph(definition, rows);
  const fixed = await fixGraph(made.model, inputsOf(definition.spec, rows));
  return { ...withMasks(fixed), names: made.values, moments: made.moments };
}

function backwardOf(
  { plan }: StudentDefinition,
  graph: FixedGraph,
  { seeds, device }: { readonly seeds: ReadonlyMap<string, string>; readonly device: DeviceForms },
): BackwardGraph {
  return apart(differentiate(graph, seeds, new Set(plan.trained.map(({ spec: { name } }) => name)), device));
}

/** The forward with its convolutions in the blocked form, where that is quicker. */
function blocked(graph: FixedGraph, { block }: DeviceForms): FixedGraph {
  const { nodes, constants } = withBlocks(graph.nodes, graph.known, block);
  return {
    ...graph,
    nodes,
    constants: new Map([...graph.constants, ...constants.map((one) => [one.name, one] as const)]),
  };
}

/** What the losses are given, in the order of ../loss-outputs.ts, by its meaning. */
function studentValues(
  { exits = [] }: StudentSpec,
  pairs: readonly TapPair[],
  values: readonly LossValue[],
): StudentValues {
  const at = (index: number): LossValue => mustAt(values, index, 'value');
  const [firstPair, firstLater] = [1 + exits.length, 1 + exits.length + pairs.length];
  return {
    answer: at(0),
    exits: exits.map((_, i) => at(1 + i)),
    pairs: pairs.map((pair, i) => ({ pair, value: at(firstPair + i) })),
    later: new Map(laterTaps(pairs).map((tap, i) => [tap, at(firstLater + i)])),
  };
}

/** The student's inference for one number of rows. @returns the names of its earlier exits and its answer, in order */
export async function compileInference(
  spec: StudentSpec,
  rows: number,
): Promise<{ readonly model: OnnxModel; readonly values: readonly string[] }> {
  const { model, values } = await inferenceGraph(spec, rows);
  const graph = await fixGraph(model, inputsOf(spec, rows));
  return { model: forwardModel(graph, new Map()), values };
}

/** Each weight's gradient under a name of its own: weights that are added to the same value share one, or a seed. */
function apart({ nodes, constants, gradients }: BackwardGraph): BackwardGraph {
  const named = [...gradients].map(([weight, gradient]) => ({ weight, gradient, own: `gradient of ${weight}` }));
  return {
    constants,
    nodes: [
      ...nodes,
      ...named.map(({ gradient, own }) => ({ op: 'Identity', inputs: [gradient], outputs: [own], attributes: {} })),
    ],
    gradients: new Map(named.map(({ weight, own }) => [weight, own])),
  };
}

/** How many numbers of each channel a batch norm sees, from the node that makes its mean. */
function countOf(graph: FixedGraph, mean: string): number {
  const node = graph.nodes.find(({ outputs }) => outputs.includes(mean));
  const shape = must(graph.known, node?.inputs[0] ?? '', 'value').shape;
  return shape.reduce((count, dim, axis) => (axis === 1 ? count : count * dim), 1);
}

/** Values that the forward's nodes make and the backward's take. */
function savedBy(graph: FixedGraph, nodes: FixedGraph['nodes']): ReadonlyMap<string, KnownValue> {
  const made = new Set(graph.nodes.flatMap(({ outputs }) => outputs));
  const taken = nodes.flatMap(({ inputs }) => inputs.filter((name) => made.has(name)));
  return new Map([...new Set(taken)].map((name) => [name, must(graph.known, name)]));
}

function valueInfos(values: Iterable<readonly [string, KnownValue]>): OnnxModel['graph']['inputs'] {
  return [...values].map(([name, { type, shape }]) => ({ name, type, shape }));
}

/** With the operator sets that onnxruntime brings, as far as nodes have them. */
function withOwnSets(sets: OnnxModel['operatorSets'], nodes: OnnxModel['graph']['nodes']): OnnxModel['operatorSets'] {
  const isBlocked = nodes.some(({ domain }) => domain === blockedDomain);
  return new Map([...sets, [microsoft, 1], ...(isBlocked ? [[blockedDomain, 1] as const] : [])]);
}

function forwardModel(graph: FixedGraph, saved: ReadonlyMap<string, KnownValue>): OnnxModel {
  const outputs = [...new Set([...graph.outputs, ...saved.keys()])];
  const { nodes, constants } = withoutUnused({ ...graph, outputs });
  return {
    operatorSets: withOwnSets(graph.operatorSets, nodes),
    graph: {
      nodes,
      constants: [...constants.values()],
      inputs: valueInfos(graph.inputs),
      outputs: valueInfos(outputs.map((name) => [name, must(graph.known, name)] as const)),
    },
  };
}

interface Backward {
  readonly nodes: FixedGraph['nodes'];
  readonly constants: readonly OnnxConstant[];
  readonly gradients: ReadonlyMap<string, string>;
  readonly values: readonly ValuePlace[];
  readonly saved: ReadonlyMap<string, KnownValue>;
}

function backwardModel(graph: FixedGraph, { nodes, constants, gradients, values, saved }: Backward): OnnxModel {
  const whole = withoutUnused({
    nodes,
    outputs: [...gradients.values()],
    constants: new Map([...graph.constants, ...constants.map((one) => [one.name, one] as const)]),
  });
  const taken = new Set([...whole.nodes.flatMap(({ inputs }) => inputs), ...whole.outputs]);
  const seeds = values.map(({ seed, type, shape }) => [seed, { type, shape }] as const);
  const given = [...graph.inputs, ...saved, ...seeds].filter(([name]) => taken.has(name));
  return {
    operatorSets: withOwnSets(graph.operatorSets, whole.nodes),
    graph: {
      nodes: whole.nodes,
      constants: [...whole.constants.values()],
      inputs: valueInfos(given),
      outputs: [...gradients.values()].map((name) => ({ name })),
    },
  };
}
