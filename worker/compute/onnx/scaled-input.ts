/** Puts the scaling of its samples into a model's file, and leaves every other byte as it is. Pure. */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { floats, type OnnxConstant } from './graph.js';
import { mapFields, rewritten } from './patch.js';
import { graphProto, modelProto, nodeProto, tensorProto, valueInfoProto } from './proto.js';
import { bytesIn, textIn, textsIn } from './reader.js';
import { writeOnnx } from './write.js';

/** What each number of a sample becomes: `factor` times it, plus `offset`. */
export interface InputScaling {
  readonly factor: Float32Array;
  readonly offset: Float32Array;
  /** The shape of scale and offset alike, which is broadcast to [batch, sample]. */
  readonly shape: readonly number[];
}

/**
 * The model with the scaling before everything that takes its input, whose name stays.
 *
 * @throws Error unless the model has one input beside its initialisers; RangeError when the bytes are no protobuf message
 */
export function withScaledInput(model: Uint8Array, scaling: InputScaling): Uint8Array {
  return mapFields(model, modelProto.graph, (graph) => {
    const input = inputOf(graph);
    const taken = new Set(bytesIn(graph, graphProto.node).flatMap((node) => textsIn(node, nodeProto.output)));
    const fresh = (name: string): string => (taken.has(name) ? fresh(`${name}_`) : name);
    const scaled = fresh(`${input}_scaled`);
    const rest = mapFields(graph, graphProto.node, (node) => taking(node, input, scaled));
    // Nodes stand in the order in which they are computed.
    return Buffer.concat([scalingOf(scaling, { input, scaled, product: fresh(`${input}_times_factor`) }), rest]);
  });
}

function inputOf(graph: Uint8Array): string {
  const initialised = new Set(bytesIn(graph, graphProto.initializer).map((tensor) => textIn(tensor, tensorProto.name)));
  const names = bytesIn(graph, graphProto.input).map((value) => textIn(value, valueInfoProto.name));
  const [input, ...others] = names.filter((name) => !initialised.has(name));
  if (input === undefined || others.length > 0) throw new Error(`a graph with the inputs ${names.join(', ')}`);
  return input;
}

/** The node with the scaled samples in place of the samples. */
function taking(node: Uint8Array, input: string, scaled: string): Uint8Array {
  return rewritten(node, (number, whole, inner) =>
    number === nodeProto.input && inner !== null && Buffer.from(inner).toString() === input
      ? new BinaryWriter().tag(nodeProto.input, WireType.LengthDelimited).string(scaled).finish()
      : whole,
  );
}

/** Two nodes and their constants, as fields of a graph. */
function scalingOf(
  { factor, offset, shape }: InputScaling,
  { input, scaled, product }: { readonly input: string; readonly scaled: string; readonly product: string },
): Uint8Array {
  const constants: [OnnxConstant, OnnxConstant] = [
    floats(`${scaled}.factor`, shape, factor),
    floats(`${scaled}.offset`, shape, offset),
  ];
  const nodes = [
    { op: 'Mul', inputs: [input, constants[0].name], outputs: [product], attributes: {} },
    { op: 'Add', inputs: [product, constants[1].name], outputs: [scaled], attributes: {} },
  ];
  const alone = writeOnnx({ operatorSets: new Map([['', 13]]), graph: { nodes, constants, inputs: [], outputs: [] } });
  return Buffer.concat(
    bytesIn(alone, modelProto.graph).map((graph) =>
      rewritten(graph, (number, whole) =>
        number === graphProto.node || number === graphProto.initializer ? whole : new Uint8Array(0),
      ),
    ),
  );
}
