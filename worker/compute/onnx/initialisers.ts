/**
 * Takes the values of a model's initialisers out of its file, or puts others in, and leaves every other byte as it is:
 * nodes, names and all that a program has written there besides. Pure.
 */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { must } from '../../../shared/must.js';
import { bytesOf } from './graph.js';
import { graphProto, modelProto, tensorProto } from './proto.js';
import { mapFields, rewritten } from './patch.js';
import { textIn } from './reader.js';

/** The fields that hold a tensor's elements, or say where they are. */
const elementFields: ReadonlySet<number> = new Set([
  tensorProto.floats,
  tensorProto.int32s,
  tensorProto.int64s,
  tensorProto.doubles,
  tensorProto.uint64s,
  tensorProto.rawData,
  tensorProto.externalData,
  tensorProto.dataLocation,
]);

/** The file without the values of the initialisers of these names. Their names, types and shapes stay. */
export function withoutValues(file: Uint8Array, names: ReadonlySet<string>): Uint8Array {
  return withTensors(file, (tensor) => (names.has(textIn(tensor, tensorProto.name)) ? bare(tensor) : tensor));
}

/** The file without the initialisers of these names. */
export function withoutInitialisers(file: Uint8Array, names: ReadonlySet<string>): Uint8Array {
  return withTensors(file, (tensor) => (names.has(textIn(tensor, tensorProto.name)) ? null : tensor));
}

/** The file with these values, float32, in the initialisers of their names. */
export function withValues(file: Uint8Array, values: ReadonlyMap<string, Float32Array>): Uint8Array {
  return withTensors(file, (tensor) => {
    const name = textIn(tensor, tensorProto.name);
    if (!values.has(name)) return tensor;
    const bytes = bytesOf(must(values, name));
    const raw = new BinaryWriter().tag(tensorProto.rawData, WireType.LengthDelimited).bytes(bytes);
    return Buffer.concat([bare(tensor), raw.finish()]);
  });
}

/** @param change gives null for a tensor that is left out */
function withTensors(file: Uint8Array, change: (tensor: Uint8Array) => Uint8Array | null): Uint8Array {
  return mapFields(file, modelProto.graph, (graph) => mapFields(graph, graphProto.initializer, change));
}

function bare(tensor: Uint8Array): Uint8Array {
  return rewritten(tensor, (number, whole) => (elementFields.has(number) ? new Uint8Array(0) : whole));
}
