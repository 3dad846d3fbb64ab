/** A layer of Keras 3, and the layers of tfjs that stand for it. Pure. */
import type { UserError } from '../errors.js';
import type { Flow } from './keras3-flow.js';
import type { Json, LayerJson } from './topology.js';

/** What a layer of Keras 3 is given, and how it is refused. */
export interface Keras3Layer {
  readonly className: string;
  readonly name: string;
  /** Initializers, regularizers and activations in the form that tfjs reads; no dtype. */
  readonly config: Json;
  /** The numbers among its operands in the first place where it is applied; null for tensors. */
  readonly operands: readonly (number | null)[];
  /** Dimensions of its first input, the batch's included; null where the file does not tell them. */
  readonly rank: number | null;
  /** What its first input is. */
  readonly given: Flow;
  /** Whether the model is to be trained. */
  readonly isTrained: boolean;
  /** The error for a layer that tfjs cannot compute. */
  refusal(why: string): UserError;
  /** Translates a layer inside this one. @throws UserError 65 when it is not one layer in tfjs */
  inner(layer: unknown): LayerJson;
}

/** Weights with known values, by their name behind the layer's: vectors. */
export type LayerConstants = Readonly<Record<string, readonly number[]>>;

/** Where a value comes from: one of the layer's inputs, or an earlier step. */
export type StepSource = { readonly input: number } | { readonly step: number };

/** One layer of tfjs. */
export interface LayerStep {
  readonly className: string;
  readonly config: Json;
  /** Null: all of the layer's inputs for the first step, the step before for all others. */
  readonly from: readonly StepSource[] | null;
  readonly constants?: LayerConstants;
}

/** One layer of tfjs with that class and config. */
export function step(className: string, config: Json, from: readonly StepSource[] | null = null): LayerStep {
  return { className, config, from };
}
