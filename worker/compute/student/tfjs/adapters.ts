/** The adapters of a student (../adapter-weights.ts) as tfjs variables and operations. */
import type { Tensor, Variable } from '@tensorflow/tfjs';
import type { TapPair } from '../../../../shared/losses/term.js';
import type { StudentSpec } from '../../../../shared/models/student-spec.js';
import { must } from '../../../../shared/must.js';
import type { TensorFlow } from '../../backends/backend.js';
import { normalise } from '../../backends/norm.js';
import { adapterName } from '../adapter-weights.js';

/** The adapters of one student. */
export class Adapters {
  /** The adapters' variables by the weights' names. Values are undefined until a student's weights are loaded. */
  readonly variables: ReadonlyMap<string, Variable>;
  readonly #tf: TensorFlow;

  constructor(tf: TensorFlow, { weights }: Pick<StudentSpec, 'weights'>) {
    this.#tf = tf;
    this.variables = new Map(
      weights
        .filter(({ adapter }) => adapter === true)
        .map(({ name, shape }) => [name, tf.variable(tf.zeros([...shape]))]),
    );
  }

  /**
   * Maps a student's tap, [rows x ...], as the pair wants it; the tap itself where it wants none.
   *
   * @returns [rows x ... x C'], or of a dense adapter [rows x D']
   */
  apply(pair: TapPair, tap: Tensor): Tensor {
    if (pair.adapter === undefined || pair.adapter === 'identity') return tap;
    const tf = this.#tf;
    const variable = (name: string): Variable => must(this.variables, `${adapterName(pair)}/${name}`, 'weight');
    const [rows = 1] = tap.shape;
    const kernel = variable('kernel');
    const [from = 1, to = 1] = kernel.shape;
    const linear = tf.add(tf.matMul(tap.reshape([-1, from]), kernel), variable('bias'));
    const normed = pair.batchNorm
      ? normalise(
          tf,
          { x_NC: linear, gamma_C: variable('gamma'), beta_C: variable('beta'), epsilon: 1e-3 },
          () => undefined,
        )
      : linear;
    const active = pair.activation === 'relu' ? tf.relu(normed) : normed;
    return active.reshape(pair.adapter === 'dense' ? [rows, to] : [...tap.shape.slice(0, -1), to]);
  }

  dispose(): void {
    for (const variable of this.variables.values()) variable.dispose();
  }
}
