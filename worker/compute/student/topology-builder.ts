/**
 * Writes a functional tfjs LayersModel layer by layer: topology JSON in the Keras spelling, weight specs in its order,
 * and initial weights from keyed streams, so that they depend on the seed and the weight's name alone.
 */
import type { StudentSpec, WeightSpec } from '../../../shared/models/student-spec.js';
import { randomStream } from '../../../shared/random.js';
import type { Json } from '../../../shared/models/topology.js';
import { expectHeld } from '../../../shared/replica/plan.js';
import { elementsIn } from '../../../shared/shape.js';

/** The output that the next layer is put on. */
export interface LayerOutput {
  /** The layer whose output it is. */
  readonly layer: string;
  /** Shape of one sample. */
  readonly shape: readonly number[];
}

interface ConvolutionOptions {
  readonly filters: number;
  readonly size: number;
  readonly stride: number;
  /** Whether a ReLU follows. */
  readonly isActive: boolean;
}

const epsilon = 1e-3;
const momentum = 0.9;

/** A student in the making: its layers are put on `position` one by one, and each of them moves it. */
export class TopologyBuilder {
  position: LayerOutput;
  readonly #name: string;
  readonly #inputShape: readonly number[];
  readonly #options: { readonly seed: number; readonly batchNorm: boolean };
  readonly #layers: Json[] = [];
  readonly #specs: WeightSpec[] = [];
  readonly #weights = new Map<string, Float32Array>();
  readonly #exits: string[] = [];
  /** Values of all weights so far. */
  #floats = 0;
  /** Whether what is added now belongs to an earlier exit alone. */
  #isAside = false;

  constructor(name: string, inputShape: readonly number[], options: { seed: number; batchNorm: boolean }) {
    this.#name = name;
    this.#inputShape = inputShape;
    this.#options = options;
    this.position = { layer: 'input', shape: inputShape };
    this.#layers.push(
      layerJson(
        'InputLayer',
        'input',
        { batch_input_shape: [null, ...inputShape], dtype: 'float32', sparse: false },
        [],
      ),
    );
  }

  /** The last dimension of the position's output. */
  get channels(): number {
    return this.position.shape.at(-1) ?? 1;
  }

  /** Puts the next layer on an earlier output. */
  moveTo(position: LayerOutput): void {
    this.position = position;
  }

  /** Flattens the position's output, where it has more than one dimension. */
  flatten(name = 'flatten'): void {
    if (this.position.shape.length > 1) this.#add('Flatten', name, {}, [elementsIn(this.position.shape)]);
  }

  /** Adds dropout; nothing at a rate of 0. */
  dropout(rate: number): void {
    if (rate > 0)
      this.#add(
        'Dropout',
        `dropout_${this.position.layer}`,
        { rate, noise_shape: null, seed: null },
        this.position.shape,
      );
  }

  /** Adds a ReLU. */
  relu(name: string): void {
    this.#add('Activation', name, { activation: 'relu' }, this.position.shape);
  }

  /** Adds max pooling over 2x2 places. */
  maxPooling(name: string): void {
    const [height = 1, width = 1, channels = 1] = this.position.shape;
    const config = { pool_size: [2, 2], strides: [2, 2], padding: 'valid', data_format: 'channels_last' };
    this.#add('MaxPooling2D', name, config, [Math.floor(height / 2), Math.floor(width / 2), channels]);
  }

  /** Adds the average over all places, channel by channel. */
  globalAverage(name = 'average'): void {
    this.#add('GlobalAveragePooling2D', name, { data_format: 'channels_last' }, [this.channels]);
  }

  /** Adds the position's output to `other`'s. */
  addTo(name: string, other: LayerOutput): void {
    this.#add('Add', name, {}, other.shape, [other.layer, this.position.layer]);
  }

  /** Adds a dense layer with a ReLU, and with a batch norm between them where the student has such layers. */
  hiddenDense(name: string, units: number): void {
    const { batchNorm } = this.#options;
    this.dense(name, units, batchNorm ? 'linear' : 'relu', { useBias: !batchNorm, gain: 'he' });
    if (batchNorm) this.#normAndRelu(name, true);
  }

  /**
   * Adds a dense layer.
   *
   * @param gain which rule its initial weights follow: He et al. 2015, or Glorot and Bengio 2010
   */
  dense(
    name: string,
    units: number,
    activation: string,
    { useBias = true, gain = 'glorot' }: { useBias?: boolean; gain?: 'he' | 'glorot' } = {},
  ): void {
    const fanIn = this.channels;
    this.#add('Dense', name, { units, activation, use_bias: useBias, ...initializers(gain) }, [units]);
    this.#kernel(name, [fanIn, units], limitOf(gain, fanIn, units));
    if (useBias) this.#constant(`${name}/bias`, units, 0);
  }

  /**
   * Adds a convolution that keeps height and width at a stride of 1, with a batch norm where the student has such
   * layers.
   */
  convolution(name: string, { filters, size, stride, isActive }: ConvolutionOptions): void {
    const { batchNorm } = this.#options;
    const [height = 1, width = 1, channels = 1] = this.position.shape;
    const activation = isActive && !batchNorm ? 'relu' : 'linear';
    const config = {
      filters,
      kernel_size: [size, size],
      strides: [stride, stride],
      padding: 'same',
      data_format: 'channels_last',
      dilation_rate: [1, 1],
      activation,
      use_bias: !batchNorm,
      ...initializers('he'),
    };
    this.#add('Conv2D', name, config, [Math.ceil(height / stride), Math.ceil(width / stride), filters]);
    this.#kernel(name, [size, size, channels, filters], limitOf('he', size * size * channels, 0));
    if (batchNorm) this.#normAndRelu(name, isActive);
    else this.#constant(`${name}/bias`, filters, 0);
  }

  /**
   * A classifier of its own at the position, which stays where it is. Maps go through a convolution of their own at
   * half the size first, so that the exit's needs do not bend the layers that the answer shares with it, and end as the
   * student's own do: flat, or averaged.
   */
  exit(classes: number, end: 'flat' | 'averaged'): void {
    const [trunk, name] = [this.position, `exit${this.#exits.length + 1}`];
    this.#isAside = true;
    if (trunk.shape.length === 3) {
      this.convolution(`${name}_conv`, { filters: 2 * this.channels, size: 3, stride: 2, isActive: true });
      if (end === 'averaged') this.globalAverage(`${name}_average`);
      else this.flatten(`${name}_flatten`);
    }
    this.dense(name, classes, 'linear');
    this.#isAside = false;
    this.#exits.push(name);
    this.position = trunk;
  }

  /** The finished student, whose output is the position's, after its exits. */
  finish(classes: number): { spec: StudentSpec; weights: Map<string, Float32Array> } {
    const config = {
      name: this.#name,
      trainable: true,
      layers: this.#layers,
      input_layers: [['input', 0, 0]],
      output_layers: [...this.#exits, this.position.layer].map((layer) => [layer, 0, 0]),
    };
    const topology = { class_name: 'Model', config, keras_version: '2.1.6', backend: 'tensor_flow.js' };
    const exits = this.#exits.length === 0 ? {} : { exits: this.#exits };
    return {
      spec: { topology, weights: this.#specs, inputShape: [...this.#inputShape], classes, ...exits },
      weights: this.#weights,
    };
  }

  #normAndRelu(name: string, isActive: boolean): void {
    const norm = `${name}_norm`;
    this.#add(
      'BatchNormalization',
      norm,
      { axis: -1, momentum, epsilon, center: true, scale: true },
      this.position.shape,
    );
    const { channels } = this;
    this.#constant(`${norm}/gamma`, channels, 1);
    this.#constant(`${norm}/beta`, channels, 0);
    this.#constant(`${norm}/moving_mean`, channels, 0, 'mean');
    this.#constant(`${norm}/moving_variance`, channels, 1, 'variance');
    if (isActive) this.relu(`${name}_relu`);
  }

  #add(
    className: string,
    name: string,
    config: Json,
    shape: readonly number[],
    from: readonly string[] = [this.position.layer],
  ): void {
    this.#layers.push(layerJson(className, name, config, from));
    this.position = { layer: name, shape };
  }

  /** Uniform in [-limit, limit), 24 bits. */
  #kernel(layer: string, shape: number[], limit: number): void {
    const name = `${layer}/kernel`;
    const stream = randomStream([this.#options.seed, 'initial', name]);
    this.#specs.push({ name, layer, shape, kind: 'trained', ...this.#aside() });
    const values = this.#allocate(name, shape);
    for (let i = 0; i < values.length; i++) values[i] = (2 * stream.float() - 1) * limit;
    this.#weights.set(name, values);
  }

  #aside(): Pick<WeightSpec, 'exit'> {
    return this.#isAside ? { exit: true } : {};
  }

  #constant(name: string, size: number, value: number, kind: WeightSpec['kind'] = 'trained'): void {
    const base = { name, layer: name.slice(0, name.lastIndexOf('/')), shape: [size], kind, ...this.#aside() };
    this.#specs.push(kind === 'trained' ? base : { ...base, momentum });
    this.#weights.set(name, this.#allocate(name, [size]).fill(value));
  }

  /** @throws UserError 65 for more weights than a replica holds with two gradients, before memory is taken for them */
  #allocate(name: string, shape: readonly number[]): Float32Array {
    this.#floats += elementsIn(shape);
    expectHeld(this.#floats, `student: with ${name} of [${shape.join(', ')}]`);
    return new Float32Array(elementsIn(shape));
  }
}

function layerJson(className: string, name: string, config: Json, from: readonly string[]): Json {
  return {
    name,
    class_name: className,
    config: { name, trainable: true, ...config },
    inbound_nodes: from.length === 0 ? [] : [from.map((layer) => [layer, 0, 0, {}])],
  };
}

/** He et al. 2015: sqrt(6 / fan in), before a ReLU; Glorot and Bengio 2010: sqrt(6 / (fan in + fan out)). */
function limitOf(gain: 'he' | 'glorot', fanIn: number, fanOut: number): number {
  return Math.sqrt(6 / (gain === 'he' ? fanIn : fanIn + fanOut));
}

function initializers(gain: 'he' | 'glorot'): Json {
  const [scale, mode] = gain === 'he' ? [2, 'fan_in'] : [1, 'fan_avg'];
  return {
    kernel_initializer: { class_name: 'VarianceScaling', config: { scale, mode, distribution: 'uniform', seed: null } },
    bias_initializer: { class_name: 'Zeros', config: {} },
  };
}
