/** A student's topology and weights as an ONNX file: `input` [batch x sample, channels last] to `logits`. Pure. */
import { z } from 'zod';
import { outputLayers } from '../../../../shared/models/exits.js';
import type { NamedTensor } from '../../../../shared/models/safetensors.js';
import {
  childrenOf,
  isContainer,
  modelOf,
  wrappedIn,
  type Json,
  type LayerJson,
} from '../../../../shared/models/topology.js';
import { nameOf, OnnxBuilder, refusal } from './builder.js';
import { writeLayer } from './layers.js';
import { passMask } from './masks.js';
import { ownOperatorSets, writeOnnx } from '../write.js';
import { must } from '../../../../shared/must.js';

/** A student's topology, and the shape of one sample, channels last. */
export interface OnnxStudent {
  readonly topology: Json;
  readonly inputShape: readonly number[];
}

const placeSchema = z.tuple([z.string(), z.number(), z.number()]).rest(z.unknown());
const nodesSchema = z.array(z.array(placeSchema));

/**
 * @param metadata what the file says of the model besides
 * @throws UserError 65, naming layer and type, for what cannot be written
 */
export function studentOnnx(
  { topology, inputShape }: OnnxStudent,
  weights: ReadonlyMap<string, NamedTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const builder = new OnnxBuilder(weights);
  builder.ranks.set('input', inputShape.length + 1);
  const last = writeModel(builder, modelOf(topology), 'input');
  builder.nodes.push({ op: 'Identity', inputs: [last], outputs: ['logits'], attributes: {} });
  const rows = 'batch';
  return writeOnnx({
    operatorSets: ownOperatorSets,
    metadata,
    graph: {
      nodes: builder.nodes,
      constants: builder.constants,
      inputs: [{ name: 'input', type: 'float32', shape: [rows, ...inputShape] }],
      outputs: [{ name: 'logits', type: 'float32', shape: [rows, 'classes'] }],
    },
  });
}

/**
 * Writes the model's layers, in order.
 *
 * @param path the names of the models around it; none around the outermost
 * @returns the name of its last output
 */
export function writeModel(
  builder: OnnxBuilder,
  model: LayerJson,
  input: string,
  path: readonly string[] = [],
): string {
  const outputs = new Map<string, string>();
  let last = input;
  for (const layer of childrenOf(model)) {
    const inputs = inputsOf(model, layer, outputs) ?? [last];
    const [first = input] = inputs;
    const own = [...path, nameOf(layer)];
    if (isContainer(layer.class_name)) last = writeModel(builder, layer, first, own);
    else {
      last =
        layer.class_name === 'Dropout'
          ? builder.dropout(layer, first, own)
          : writeLayer(builder, layer, inputs.length === 0 ? [input] : inputs);
      builder.ranks.set(last, rankAfter(layer, must(builder.ranks, first, 'rank')));
      passMask(builder, layer, inputs, last);
    }
    outputs.set(nameOf(layer), last);
    if (path.length === 0) builder.outputs.set(nameOf(layer), last);
  }
  const name = outputLayers(model).at(-1);
  return name === undefined ? last : (outputs.get(name) ?? last);
}

/** Dimensions of what a layer gives, the batch's included. */
function rankAfter({ class_name: name, config }: LayerJson, rank: number): number {
  if (name === 'Flatten' || name.startsWith('Global')) return 2;
  if (name === 'Reshape') return 1 + z.array(z.unknown()).parse(config.target_shape).length;
  if (name === 'Embedding' || name === 'RepeatVector') return rank + 1;
  const inner = name === 'Bidirectional' ? wrappedIn(config)[0]?.config : config;
  return inner !== undefined && 'return_sequences' in inner ? (inner.return_sequences === true ? 3 : 2) : rank;
}

/** The outputs that the layer takes; null in a Sequential model, where it takes the last. */
function inputsOf(model: LayerJson, layer: LayerJson, outputs: ReadonlyMap<string, string>): string[] | null {
  if (model.class_name === 'Sequential') return null;
  const nodes = nodesSchema.parse(layer.inbound_nodes ?? []);
  if (nodes.length > 1) throw refusal(layer, `it is applied ${nodes.length} times; once was wanted for ONNX`);
  return (nodes[0] ?? []).map(([name]) => {
    const found = outputs.get(name);
    if (found === undefined)
      throw refusal(layer, `its input ${name} comes after it; layers in order were wanted for ONNX`);
    return found;
  });
}
