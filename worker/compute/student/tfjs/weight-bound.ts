/**
 * Keeps tfjs from making weights that no replica could hold: a layer of 1e9 units in a topology of a few lines would
 * take all of a machine's memory before anybody can look at its shape.
 */
import type { TensorFlow } from '../../backends/backend.js';
import { expectHeld } from '../../../../shared/replica/plan.js';
import { elementsIn } from '../../../../shared/shape.js';

/** Values of the weights of the model that is being built. tfjs builds one model without a pause. */
let built = 0;
const bounded = new WeakSet();

/** A model is about to be built. From its first call on, every layer's weights are counted before they are made. */
export function beginModel(tf: TensorFlow): void {
  built = 0;
  if (bounded.has(tf)) return;
  bounded.add(tf);
  const prototype: object = tf.layers.Layer.prototype;
  const addWeight: unknown = Reflect.get(prototype, 'addWeight');
  if (typeof addWeight !== 'function') throw new Error('the layers of this tfjs have no addWeight');
  Reflect.set(prototype, 'addWeight', function (this: { name: string }, ...args: unknown[]): unknown {
    const [name, shape] = args;
    if (Array.isArray(shape)) {
      built += elementsIn(shape.map(Number));
      expectHeld(built, `student: with ${this.name}/${String(name)} of [${shape.join(', ')}]`);
    }
    const weight: unknown = Reflect.apply(addWeight, this, args);
    return weight;
  });
}
