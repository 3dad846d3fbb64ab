/**
 * Keyed dropout. A tfjs Dropout layer with a seed draws the same mask at every call, so each gets its seed from the key
 * of the micro-batch and its own place in the model before each forward: the mask depends on nothing else.
 */
import type { layers } from '@tensorflow/tfjs';
import { keyedSeed, type RandomKey } from '../../../../shared/random.js';

/** A dropout layer of a live model, and its place there. */
export interface DropoutLayer {
  /** Names of the models around it and its own. */
  readonly path: readonly string[];
  readonly layer: layers.Layer;
}

/** Seeds every dropout layer for the next forward. @param key the micro-batch's */
export function seedDropout(dropouts: readonly DropoutLayer[], key: RandomKey): void {
  for (const { path, layer } of dropouts) Object.assign(layer, { seed: keyedSeed([...key, path.join('/')]) });
}
