/**
 * Where each weight of a student lies: which region of a replica's memory, and where in it. Every tensor starts on a
 * 16-byte boundary. Trained and frozen weights come in the order of the topology; moving values by batch-norm layer, in
 * the order in which the layers first appear, each its mean and then its variance.
 */
import { exitCodes, UserError } from '../errors.js';
import type { WeightSpec } from '../models/student-spec.js';
import { must } from '../must.js';
import { elementsIn } from '../shape.js';

/** One weight of the student and where it lies. */
export interface TensorPlace {
  readonly spec: WeightSpec;
  readonly region: 'weights' | 'frozen' | 'moving';
  /** Where the tensor begins, in floats from the start of its region. */
  readonly offset: number;
  /** The tensor's length in floats, without padding. */
  readonly size: number;
}

/** A batch-norm layer and where its moving values lie. */
export interface NormLayer {
  readonly layer: string;
  /** How much of a moving value stays at a commit: moving = momentum x moving + (1 - momentum) x statistic. */
  readonly momentum: number;
  readonly channels: number;
  /** Where the layer's moving means begin, in floats from the start of the moving region. */
  readonly meanOffset: number;
  readonly varianceOffset: number;
}

/** Floats of a tensor with its padding to 16 bytes. */
export function padded(floats: number): number {
  return Math.ceil(floats / 4) * 4;
}

/**
 * Places for all weights, in the order of the topology.
 *
 * @throws UserError 65 for a batch-norm layer that lacks its mean or its variance
 */
export function placeTensors(weights: readonly WeightSpec[]): TensorPlace[] {
  const ends = { weights: 0, frozen: 0, moving: 0 };
  const place = (spec: WeightSpec): TensorPlace => {
    const region = regionOf(spec);
    const size = elementsIn(spec.shape);
    const offset = ends[region];
    ends[region] += padded(size);
    return { spec, region, offset, size };
  };
  const moving = new Map(inNormOrder(weights).map((spec) => [spec, place(spec)]));
  return weights.map((spec) => moving.get(spec) ?? place(spec));
}

function regionOf(spec: WeightSpec): TensorPlace['region'] {
  if (spec.kind === 'trained') return 'weights';
  return spec.kind === 'frozen' ? 'frozen' : 'moving';
}

function inNormOrder(weights: readonly WeightSpec[]): WeightSpec[] {
  const layers = new Set(weights.filter((spec) => regionOf(spec) === 'moving').map((spec) => spec.layer));
  const find = (layer: string, kind: WeightSpec['kind']): WeightSpec => {
    const found = weights.find((spec) => spec.layer === layer && spec.kind === kind);
    if (found === undefined)
      throw new UserError(`student layer ${layer}: batch norm without a moving ${kind}`, exitCodes.data);
    return found;
  };
  return [...layers].flatMap((layer) => [find(layer, 'mean'), find(layer, 'variance')]);
}

/** The batch-norm layers among placed tensors, in the order in which their moving values lie. */
export function normLayers(tensors: readonly TensorPlace[]): NormLayer[] {
  const variances = new Map(
    tensors.filter(({ spec }) => spec.kind === 'variance').map(({ spec, offset }) => [spec.layer, offset]),
  );
  return tensors
    .filter(({ spec }) => spec.kind === 'mean')
    .sort((a, b) => a.offset - b.offset)
    .map(({ spec, offset, size }) => ({
      layer: spec.layer,
      momentum: momentumOf(spec),
      channels: size,
      meanOffset: offset,
      varianceOffset: must(variances, spec.layer, 'moving variance'),
    }));
}

function momentumOf({ layer, momentum }: WeightSpec): number {
  if (momentum === undefined) throw new Error(`student layer ${layer}: batch norm without a momentum`);
  return momentum;
}

/** Floats of a whole region, padding included. */
export function regionFloats(tensors: readonly TensorPlace[], region: TensorPlace['region']): number {
  return tensors.reduce((sum, tensor) => (tensor.region === region ? sum + padded(tensor.size) : sum), 0);
}
