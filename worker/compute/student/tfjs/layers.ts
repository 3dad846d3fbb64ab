/**
 * Which layers a student may have: those that tfjs trains and whose every random number can be keyed. All others, and
 * settings that would change the loss or keep state behind the run's back, are refused by name.
 */
import { layersOf, type Json, type TopologyLayer } from '../../../../shared/models/topology.js';

const trainable = new Set([
  'InputLayer',
  'Dense',
  'Activation',
  'ReLU',
  'LeakyReLU',
  'PReLU',
  'ELU',
  'Softmax',
  'Dropout',
  'Flatten',
  'Reshape',
  'Permute',
  'RepeatVector',
  'Masking',
  'Embedding',
  'Conv1D',
  'Conv2D',
  'Conv2DTranspose',
  'SeparableConv2D',
  'DepthwiseConv2D',
  'Cropping2D',
  'UpSampling2D',
  'ZeroPadding2D',
  'MaxPooling1D',
  'AveragePooling1D',
  'MaxPooling2D',
  'AveragePooling2D',
  'GlobalAveragePooling1D',
  'GlobalMaxPooling1D',
  'GlobalAveragePooling2D',
  'GlobalMaxPooling2D',
  'Add',
  'Multiply',
  'Average',
  'Maximum',
  'Minimum',
  'Concatenate',
  'Dot',
  'BatchNormalization',
  'LayerNormalization',
  'Rescaling',
  'SimpleRNN',
  'SimpleRNNCell',
  'GRU',
  'GRUCell',
  'LSTM',
  'LSTMCell',
  'RNN',
  'StackedRNNCells',
  'Bidirectional',
  'TimeDistributed',
]);

const unkeyed = new Set([
  'GaussianNoise',
  'GaussianDropout',
  'AlphaDropout',
  'SpatialDropout1D',
  'SpatialDropout2D',
  'SpatialDropout3D',
]);

/** The first layer that cannot be trained reproducibly, and why; null when there is none. */
export function layersObjection(topology: Json): string | null {
  for (const layer of layersOf(topology)) {
    const objection = objectionTo(layer);
    if (objection !== null) return `student layer ${layer.path.join('/')} (${layer.className}): ${objection}`;
  }
  return null;
}

function objectionTo(layer: TopologyLayer): string | null {
  if (unkeyed.has(layer.className)) return 'its noise cannot be keyed, so a run could not be repeated; use Dropout';
  if (!trainable.has(layer.className)) return 'layers of this type cannot be trained here';
  return (
    dropoutObjection(layer) ??
    recurrentObjection(layer) ??
    normObjection(layer) ??
    convolutionObjection(layer) ??
    silentObjection(layer)
  );
}

function dropoutObjection({ className, isWrapped }: TopologyLayer): string | null {
  return className === 'Dropout' && isWrapped
    ? 'it stands inside another layer and would draw the same noise at every time step'
    : null;
}

function recurrentObjection({ config }: TopologyLayer): string | null {
  for (const key of ['dropout', 'recurrent_dropout']) {
    const isRecurrent = 'recurrent_initializer' in config || 'recurrent_activation' in config || key in config;
    if (isRecurrent && typeof config[key] === 'number' && config[key] > 0) {
      return `${key} is ${config[key]}; its noise cannot be keyed: put a Dropout layer between the layers`;
    }
  }
  return config.stateful === true
    ? 'it is stateful; what a micro-batch gives may depend on nothing but its samples'
    : null;
}

function normObjection({ className, isWrapped, uses }: TopologyLayer): string | null {
  if (className !== 'BatchNormalization') return null;
  if (isWrapped) return 'it stands inside another layer, so its statistics are not one per step';
  if (uses > 1) return `it is applied ${uses} times in one forward; use one layer for each place`;
  return null;
}

function convolutionObjection({ config }: TopologyLayer): string | null {
  const dilation: unknown[] = [config.dilation_rate ?? 1].flat();
  if (dilation.some((rate) => rate !== 1))
    return `dilation_rate is [${dilation.join(', ')}]; tfjs has no gradient for it`;
  if (config.padding === 'causal') return 'padding is causal, which tfjs cannot compute; same or valid was wanted';
  return config.data_format === 'channels_first' ? 'data_format is channels_first; channels_last was wanted' : null;
}

/**
 * Says which setting would make tfjs add to the loss, or change weights, where the optimizer here does not; null for
 * none.
 */
function silentObjection({ config }: TopologyLayer): string | null {
  for (const [key, value] of Object.entries(config)) {
    if (value === null || value === undefined) continue;
    if (key.endsWith('_regularizer')) return `${key} is set; the loss has no such term: use optimizer.weightDecay`;
    if (key.endsWith('_constraint')) return `${key} is set; the optimizer keeps no constraints`;
  }
  return null;
}
