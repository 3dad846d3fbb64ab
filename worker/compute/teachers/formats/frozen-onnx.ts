/**
 * The ONNX file of a teacher that was kept in another format: one input as the model has it, one output, and the inner
 * values by the names that they had. The same model gives the same bytes. Pure.
 */
import type { ElementType, OnnxConstant, OnnxNode } from '../../onnx/graph.js';
import { withCarriedTransposes } from '../../onnx/carry-transposes.js';
import { namedValuesMetadata, type NamedValue } from '../../onnx/named-values.js';
import { NoOnnxForm } from '../../onnx/no-onnx-form.js';
import { ownOperatorSets, writeOnnx } from '../../onnx/write.js';

/** A model's graph, channels last between its layers. */
export interface FrozenGraph {
  readonly nodes: readonly OnnxNode[];
  readonly constants: readonly OnnxConstant[];
  /** The name that its nodes take the samples by. */
  readonly input: string;
  readonly inputType: ElementType;
  /** One sample's shape, as the model has it; null where it leaves a size open. */
  readonly sampleShape: readonly (number | null)[];
  /** The number of rows that the model insists on; null when any will do. */
  readonly rows: number | null;
  readonly output: string;
  /** Inner values by the names that users know, from the input to the output. */
  readonly values: ReadonlyMap<string, string>;
}

/** The longest protobuf message, in bytes. */
const longestFile = 2 ** 31 - 1;
const outputName = 'output';

/** @throws NoOnnxForm for weights that no file of one piece can hold */
export function frozenOnnx(graph: FrozenGraph): Uint8Array {
  const { nodes, constants, input, output, inputType, rows, sampleShape } = graph;
  const bytes = constants.reduce((sum, constant) => sum + constant.bytes.length, 0);
  if (bytes > longestFile - 2 ** 24)
    throw new NoOnnxForm('the model', `its weights take ${bytes} bytes; an ONNX file holds ${longestFile} at most`);
  const last: OnnxNode = { op: 'Identity', inputs: [output], outputs: [outputName], attributes: {} };
  const whole = {
    operatorSets: ownOperatorSets,
    graph: {
      nodes: [...nodes, last],
      constants,
      inputs: [
        {
          name: input,
          type: inputType,
          shape: [rows ?? 'batch', ...sampleShape.map((size, axis) => size ?? `size${axis}`)],
        },
      ],
      outputs: [{ name: outputName }],
    },
  };
  const ranks = new Map(constants.map(({ name, shape }) => [name, shape.length]));
  const { model, turned } = withCarriedTransposes(whole, ranks);
  const values = [...graph.values].map(([name, value]): NamedValue => {
    const found = turned.get(value);
    return found === undefined ? { name, value } : { name, value: found.source, perm: [...found.perm] };
  });
  return writeOnnx({ ...model, metadata: namedValuesMetadata(values) });
}
