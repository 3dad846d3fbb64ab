/**
 * Masks over the steps of a sequence as Keras has them, for a model that tfjs has built. tfjs counts masked steps in the
 * mean over all of them, gives masks on behind layers where Keras knows none any more, and merges those of branches
 * into one of another shape.
 */
import type { LayersModel, Tensor } from '@tensorflow/tfjs';
import type { TensorFlow } from '../../backends/backend.js';

type Layer = LayersModel['layers'][number];
type Mask = Tensor | null | undefined;

/** Layers behind which Keras knows no mask. */
const masksEnd = new Set([
  ...['Conv1D', 'SeparableConv1D', 'MaxPooling1D', 'AveragePooling1D', 'GlobalMaxPooling1D'],
  ...['Flatten', 'Reshape', 'Permute', 'Dot'],
]);
const merges = new Set(['Add', 'Subtract', 'Multiply', 'Average', 'Maximum', 'Minimum']);

/** Changes these layers, and those of models inside of them. */
export function maskAsKeras(tf: TensorFlow, layers: readonly Layer[]): void {
  for (const layer of layers) {
    const name = layer.getClassName();
    if (name === 'GlobalAveragePooling1D') leaveMaskedStepsOut(tf, layer);
    if (masksEnd.has(name)) takeMask(layer, () => null);
    if (merges.has(name)) takeMask(layer, (masks) => everyOf(tf, masks));
    forgetMask(layer);
    maskAsKeras(tf, innerLayers(layer));
  }
}

/**
 * The name of a model inside that makes a mask and gives steps on, of which tfjs tells the layers behind it nothing; null
 * where there is none.
 */
export function lostMask(layers: readonly Layer[]): string | null {
  for (const layer of layers) {
    const inner = innerLayers(layer);
    if (inner.some(makesMask) && givesSteps(layer)) return layer.name;
    const found = lostMask(inner);
    if (found !== null) return found;
  }
  return null;
}

/** Whether an output of it has steps, or places: more sizes than a batch of vectors. */
function givesSteps({ outputShape }: Layer): boolean {
  return (
    outputShape.some((size) => Array.isArray(size) && size.length > 2) ||
    (outputShape.length > 2 && !Array.isArray(outputShape[0]))
  );
}

function innerLayers(layer: Layer): readonly Layer[] {
  return 'layers' in layer && Array.isArray(layer.layers) ? (layer.layers as Layer[]) : [];
}

function makesMask(layer: Layer): boolean {
  const isMasking = layer.getClassName() === 'Masking' || layer.getConfig().maskZero === true;
  return isMasking || innerLayers(layer).some(makesMask);
}

function takeMask(layer: Layer, maskOf: (given: readonly Mask[]) => Tensor | null): void {
  // tfjs takes null for no mask, which its types do not tell.
  Object.assign(layer, { computeMask: (_inputs: unknown, masks: Mask | Mask[]) => maskOf([masks].flat()) });
}

/** tfjs hands all layers one object, and would give the mask of a layer to later ones that have none. */
function forgetMask(layer: Layer): void {
  const call = layer.call.bind(layer);
  layer.call = (inputs, given) => {
    const outputs = call(inputs, given);
    if (typeof given === 'object') delete (given as { mask?: Mask }).mask;
    return outputs;
  };
}

/** Steps that every branch with a mask counts; null where none has one. */
function everyOf(tf: TensorFlow, masks: readonly Mask[]): Tensor | null {
  const [first, ...others] = masks.filter((mask) => mask !== null && mask !== undefined);
  if (first === undefined) return null;
  return others.reduce((sum: Tensor, mask) => tf.logicalAnd(sum, mask.cast('bool')), first.cast('bool'));
}

function leaveMaskedStepsOut(tf: TensorFlow, layer: Layer): void {
  const ofAll = layer.call.bind(layer);
  layer.call = (inputs, given) => {
    // tfjs hands a layer the mask of its first input.
    const { mask } = given as { mask?: Mask };
    if (mask === undefined || mask === null) return ofAll(inputs, given);
    return tf.tidy(() => {
      const [steps] = [inputs].flat();
      if (steps === undefined) throw new Error('a layer without an input');
      const counted = mask.cast('float32').expandDims(-1);
      return steps.mul(counted).sum(1).div(counted.sum(1));
    });
  };
}
