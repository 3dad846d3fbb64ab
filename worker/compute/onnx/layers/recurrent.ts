/**
 * Recurrent layers as ONNX nodes. ONNX has time first, a direction axis, one row of gates a unit, in the order i o f c
 * (LSTM) or z r h (GRU), and two biases; tfjs has [in, gates] kernels in the order i f c o, or z r h, and one bias.
 */
import { wrappedIn, type LayerJson } from '../../../../shared/models/topology.js';
import { recurrentActivation } from './activations.js';
import { nameOf, numberOr, refusal, type OnnxBuilder } from './builder.js';
import { overCounted } from './masks.js';
import { mustAt } from '../../../../shared/must.js';

interface Kind {
  readonly op: string;
  /** For each of ONNX's gates its place in tfjs' order. */
  readonly gates: readonly number[];
  readonly activations: readonly ('activation' | 'recurrent_activation')[];
}

const kinds: Readonly<Record<string, Kind>> = {
  SimpleRNN: { op: 'RNN', gates: [0], activations: ['activation'] },
  GRU: { op: 'GRU', gates: [0, 1, 2], activations: ['recurrent_activation', 'activation'] },
  LSTM: { op: 'LSTM', gates: [0, 3, 1, 2], activations: ['recurrent_activation', 'activation', 'activation'] },
};

/** The layer's own settings, and under which names its weights are. */
interface Cell {
  readonly layer: LayerJson;
  readonly weightsOf: LayerJson;
  readonly prefix: string;
  readonly isBackward: boolean;
}

/** Writes an LSTM, GRU or SimpleRNN layer. @returns its output's name @throws UserError 65 for another layer */
export function recurrent(b: OnnxBuilder, layer: LayerJson, x: string): string {
  const isBackward = layer.config.go_backwards === true;
  const out = run(b, { layer, weightsOf: layer, prefix: '', isBackward }, x);
  // tfjs gives what it has read backwards in the order of its reading.
  return isBackward && layer.config.return_sequences === true ? backwards(b, out) : out;
}

/** An RNN of one cell is the layer of that name; of several, one layer over the other. */
export function ofCells(b: OnnxBuilder, layer: LayerJson, x: string): string {
  // The layer's own settings repeat its cell's.
  const [cell, ...more] = wrappedIn({ cell: layer.config.cell }).flatMap((inner) =>
    inner.class_name === 'StackedRNNCells' ? wrappedIn(inner.config) : [inner],
  );
  if (cell === undefined) throw refusal(layer, 'an RNN without cells cannot be written as ONNX');
  if (more.length === 0) return recurrent(b, { class_name: layerOf(cell), config: layer.config }, x);
  if (b.masks.has(x)) throw refusal(layer, 'masks over stacked cells cannot be written as ONNX');
  const isBackward = layer.config.go_backwards === true;
  const isWhole = layer.config.return_sequences === true;
  const out = [cell, ...more].reduce((steps, one, i) => {
    const own = {
      class_name: layerOf(one),
      config: { ...one.config, name: layer.config.name, return_sequences: isWhole || i < more.length },
    };
    return run(b, { layer: own, weightsOf: layer, prefix: `RNNCell_${i}/`, isBackward }, steps);
  }, x);
  return isBackward && isWhole ? backwards(b, out) : out;
}

function layerOf({ class_name: name }: LayerJson): string {
  return name.replace(/Cell$/, '');
}

/** Both directions, merged; each in the order of time. */
export function bidirectional(b: OnnxBuilder, wrapper: LayerJson, inner: LayerJson, x: string): string {
  if (inner.config.go_backwards === true)
    throw refusal(wrapper, 'its layer goes backwards by itself, which cannot be written as ONNX');
  const [forward, backward] = ['forward', 'backward'].map((direction) =>
    run(
      b,
      {
        layer: inner,
        weightsOf: wrapper,
        prefix: `${direction}_${nameOf(inner)}/`,
        isBackward: direction === 'backward',
      },
      x,
    ),
  );
  if (forward === undefined || backward === undefined) throw new Error('two directions');
  switch (wrapper.config.merge_mode) {
    case 'sum':
      return b.node('Add', [forward, backward]);
    case 'mul':
      return b.node('Mul', [forward, backward]);
    case 'ave':
      return b.node('Mean', [forward, backward]);
    case 'concat':
    case undefined:
      return b.node('Concat', [forward, backward], { axis: -1 });
    default:
      throw refusal(wrapper, `merge_mode ${String(wrapper.config.merge_mode)} cannot be written as ONNX`);
  }
}

/** [batch, time, in] to [batch, time, units] with return_sequences, in the order of time, else to [batch, units]. */
function run(b: OnnxBuilder, cell: Cell, x: string): string {
  const isWhole = cell.layer.config.return_sequences === true;
  const mask = b.masks.get(x);
  if (mask === undefined) return node(b, cell, x, isWhole);
  const turned = (values: string): string => (cell.isBackward ? backwards(b, values) : values);
  const out = overCounted(b, turned(x), turned(mask), (compact) =>
    node(b, { ...cell, isBackward: false }, compact, true),
  );
  return isWhole ? turned(out) : b.node('Gather', [out, b.integer(-1)], { axis: 1 });
}

/** The recurrent node itself; `isWhole`: the output of every step. */
function node(b: OnnxBuilder, { layer, weightsOf, prefix, isBackward }: Cell, x: string, isWhole: boolean): string {
  const kind = kinds[layer.class_name];
  if (kind === undefined) throw refusal(layer, 'layers of this type cannot be written as ONNX');
  const units = numberOr(layer.config.units, 0);
  const kernel = b.weight(weightsOf, `${prefix}kernel`);
  const recurrentKernel = b.weight(weightsOf, `${prefix}recurrent_kernel`);
  const bias =
    layer.config.use_bias === false
      ? new Float32Array(kind.gates.length * units)
      : b.weight(weightsOf, `${prefix}bias`).values;
  const rows = (values: Float32Array, inward: number): Float32Array =>
    gatesFirst(values, { gates: kind.gates, inward, units });
  const inward = mustAt(kernel.shape, 0, 'dimension');
  const biases = new Float32Array(2 * bias.length);
  biases.set(rows(bias, 1));
  const count = kind.gates.length * units;
  const inputs = [
    b.node('Transpose', [x], { perm: [1, 0, 2] }),
    b.constant(rows(kernel.values, inward), [1, count, inward]),
    b.constant(rows(recurrentKernel.values, units), [1, count, units]),
    b.constant(biases, [1, 2 * count]),
  ];
  const activations = kind.activations.map((key) => recurrentActivation(layer, key));
  const attributes = {
    hidden_size: units,
    direction: isBackward ? 'reverse' : 'forward',
    activations: activations.map(({ op }) => op),
    activation_alpha: { floats: activations.map(({ alpha }) => alpha) },
    activation_beta: { floats: activations.map(({ beta }) => beta) },
  };
  const out = b.node(kind.op, inputs, attributes, isWhole ? 0 : 1);
  if (!isWhole) return b.node('Squeeze', [out, b.integers(0)]);
  return b.node('Transpose', [b.node('Squeeze', [out, b.integers(1)])], { perm: [1, 0, 2] });
}

interface Gates {
  readonly gates: readonly number[];
  readonly inward: number;
  readonly units: number;
}

/** [in, gates x units] to [gates x units, in], gates in ONNX's order. */
function gatesFirst(values: Float32Array, { gates, inward, units }: Gates): Float32Array {
  const out = new Float32Array(values.length);
  const width = gates.length * units;
  gates.forEach((from, gate) => {
    for (let unit = 0; unit < units; unit++) {
      for (let i = 0; i < inward; i++)
        out[(gate * units + unit) * inward + i] = values[i * width + from * units + unit] ?? 0;
    }
  });
  return out;
}

/** Turns the time axis of `x` around. */
function backwards(b: OnnxBuilder, x: string): string {
  return b.node('Slice', [x, b.integers(-1), b.integers(Number.MIN_SAFE_INTEGER), b.integers(1), b.integers(-1)]);
}
