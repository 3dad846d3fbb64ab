/**
 * What a student's compiled graphs for one number of rows have in common, in whatever parts they are: the memory that
 * they read and write, dropout masks, and moments.
 */
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { must } from '../../../../shared/must.js';
import type { Sums } from '../../../../shared/replica/reduction/contribution.js';
import { momentValues, type PooledMoments } from '../../../../shared/replica/reduction/moments.js';
import type { KnownValue } from '../../onnx/graph.js';
import type { MicroBatch, StepContext } from '../../contract.js';
import { norm } from '../../losses/diagnostics.js';
import type { ScaledTerm } from '../../losses/parts.js';
import type { StudentDefinition } from '../engine.js';
import type { CompiledStudent, WholeStudent } from './compile.js';
import { drawMask, type Mask } from './dropout.js';
import type { DeviceForms } from './gradient/operator.js';
import { floatsOf, type MakeTensor } from './session.js';
import { samplesName } from './forward.js';

/** A micro-batch's graphs for one number of rows, with all the memory that they need: a step makes no tensors. */
export interface Program {
  /** Leaves the gradient in the workspace. */
  gradients(batch: MicroBatch, step: StepContext, applicable: readonly ScaledTerm[]): Promise<ProgramResult>;
  release(): Promise<void>;
}

export interface ProgramResult {
  /** Sums of the losses, and the norm of each weighted term's gradient where the step is probed. */
  readonly sums: Sums;
  readonly norms: readonly (readonly [term: string, norm: number])[];
  readonly moments: PooledMoments | null;
}

/** What all programs of a student share. */
export interface Workspace {
  readonly definition: StudentDefinition;
  readonly make: MakeTensor;
  /** By name, over the regions that `load` fills. */
  readonly weights: ReadonlyMap<string, Tensor>;
  /** A gradient as the replica lays it out. */
  readonly gradient: Float32Array;
  readonly device: DeviceForms;
}

type Compiled = Pick<CompiledStudent | WholeStudent, 'masks' | 'moments' | 'countOf' | 'gradients'>;
type Tensors = Record<string, Tensor>;

/** Tensors of zeros by name. */
export function tensorsOf(make: MakeTensor, values: Iterable<readonly [string, KnownValue]>): Tensors {
  return Object.fromEntries([...values].map(([name, value]) => [name, make(value)]));
}

/** What the session is fed: weights, and what is given besides. */
export function takenBy(session: InferenceSession, weights: Workspace['weights'], given: Readonly<Tensors>): Tensors {
  return Object.fromEntries(
    session.inputNames.map((name) => [name, given[name] ?? must(weights, name, 'input of the graph')]),
  );
}

/** By the names of a graph's gradients, tensors over the workspace's, each where the replica has its weight. */
export function gradientTensors({ definition, make, gradient }: Workspace, { gradients }: Compiled): Tensors {
  const places = new Map(definition.plan.trained.map((place) => [place.spec.name, place]));
  return Object.fromEntries(
    [...gradients].map(([weight, name]) => {
      const { offset, size, spec } = must(places, weight, 'weight');
      return [name, make({ type: 'float32', shape: spec.shape }, gradient.subarray(offset, offset + size))] as const;
    }),
  );
}

/** Samples and masks of a micro-batch, as tensors that graphs are fed. */
export class ProgramInputs {
  readonly tensors: Readonly<Tensors>;
  readonly #samples: Float32Array;
  readonly #masks: readonly { readonly mask: Mask; readonly memory: Float32Array }[];

  constructor({ definition, make }: Workspace, rows: number, masks: readonly Mask[]) {
    const samples = make({ type: 'float32', shape: [rows, ...definition.spec.inputShape] });
    const ofMasks = masks.map((mask) => ({ mask, tensor: make({ type: 'float32', shape: mask.shape }) }));
    this.tensors = {
      [samplesName]: samples,
      ...Object.fromEntries(ofMasks.map(({ mask, tensor }) => [mask.input, tensor])),
    };
    this.#samples = floatsOf(samples);
    this.#masks = ofMasks.map(({ mask, tensor }) => ({ mask, memory: floatsOf(tensor) }));
  }

  fill({ inputs }: MicroBatch, { dropoutKey }: StepContext): void {
    this.#samples.set(inputs.subarray(0, this.#samples.length));
    for (const { mask, memory } of this.#masks) drawMask(mask, dropoutKey, memory);
  }
}

/** The moments of each batch-norm layer of the plan, out of the memory that a graph fills. */
export class MomentsReader {
  readonly #norms: StudentDefinition['plan']['norms'];
  /** Null for a layer that the forward does not reach. */
  readonly #layers: readonly ({
    readonly mean: Float32Array;
    readonly variance: Float32Array;
    /** How many numbers each is taken over. */
    readonly count: number;
  } | null)[];

  constructor({ definition }: Workspace, { moments, countOf }: Compiled, results: Readonly<Tensors>) {
    this.#norms = definition.plan.norms;
    this.#layers = this.#norms.map(({ layer }) => {
      const names = moments.get(layer);
      if (names === undefined) return null;
      const memory = (name: string): Float32Array => memoryOf(results, name);
      return { mean: memory(names.mean), variance: memory(names.variance), count: countOf(layer) };
    });
  }

  /** By batch-norm layer in the plan's order: count, mean, and biased variance times count. */
  read(): PooledMoments | null {
    if (this.#norms.length === 0) return null;
    const values = new Float64Array(momentValues(this.#norms));
    let at = 0;
    const counts = this.#norms.map(({ channels }, i) => {
      const found = this.#layers[i] ?? null;
      if (found !== null) {
        values.set(found.mean, at);
        found.variance.forEach((value, channel) => (values[at + channels + channel] = value * found.count));
      }
      at += 2 * channels;
      return found?.count ?? 0;
    });
    return { counts, values };
  }
}

/** The norm of the gradient in the workspace with respect to the student's own weights. */
export function ownNorm({ definition, gradient }: Workspace): number {
  const own = definition.plan.trained.filter(({ spec }) => spec.adapter !== true);
  return norm(own.map(({ offset, size }) => gradient.subarray(offset, offset + size)));
}

/** The values of a float32 tensor that must be there. */
export function memoryOf(tensors: Readonly<Record<string, Tensor | undefined>>, name: string): Float32Array {
  const tensor = tensors[name];
  if (tensor === undefined) throw new Error(`the graph has no ${name}`);
  return floatsOf(tensor);
}
