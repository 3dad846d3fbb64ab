/**
 * A job that exact arithmetic solves and an error of one level spoils: of four pixels the brightest is the class, and it
 * is brighter than the others by a single level of 255. Its teachers are ONNX files made on the spot.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { floats, type OnnxConstant, type OnnxNode } from '../../../../worker/compute/onnx/graph.js';
import { ownOperatorSets, writeOnnx } from '../../../../worker/compute/onnx/write.js';

export const pixels = 4;

/** Sample `i`: its class is `i % 4`; all levels from 9 to 249 come up. */
export function brightSample(i: number): { readonly values: number[]; readonly label: number } {
  const label = i % pixels;
  const level = 10 + ((i * 37) % 240);
  return { values: Array.from({ length: pixels }, (_, at) => (at === label ? level : level - 1)), label };
}

/** Writes FOLDER/NAME with the first `samples`, a row each, the label behind its pixels unless they have none. */
export function writeBrightSamples(folder: string, name: string, samples: number, isLabelled = true): void {
  const lines = Array.from({ length: samples }, (_, i) => {
    const { values, label } = brightSample(i);
    return [...values, ...(isLabelled ? [label] : [])].join();
  });
  writeFileSync(join(folder, name), `${lines.join('\n')}\n`);
}

export interface BrightTeacher {
  /** Whether its input is uint8; else float32. */
  readonly isInteger?: boolean;
  /** What the logits are, of a pixel as it is fed; default: a tenth of it. */
  readonly factor?: number;
  /** Its second output, `p`; default: softmax of the logits. */
  readonly nodes?: readonly OnnxNode[];
  readonly constants?: readonly OnnxConstant[];
  /** The order of its classes; default: as they are. */
  readonly order?: readonly number[];
}

/** Writes FOLDER/NAME: an ONNX model with the outputs `logits` and `p`. */
export function writeBrightTeacher(
  folder: string,
  name: string,
  { isInteger = false, factor = 0.1, nodes, constants = [], order = [0, 1, 2, 3] }: BrightTeacher = {},
): void {
  const kernel = Float32Array.from({ length: pixels * pixels }, (_, at) =>
    order[at % pixels] === Math.floor(at / pixels) ? factor : 0,
  );
  const file = writeOnnx({
    operatorSets: ownOperatorSets,
    graph: {
      inputs: [{ name: 'input', type: isInteger ? 'uint8' : 'float32', shape: ['batch', pixels] }],
      outputs: ['logits', 'p'].map((output) => ({ name: output, type: 'float32', shape: ['batch', pixels] })),
      constants: [floats('kernel', [pixels, pixels], kernel), ...constants],
      nodes: [
        { op: 'Cast', inputs: ['input'], outputs: ['x'], attributes: { to: 1 } },
        { op: 'MatMul', inputs: ['x', 'kernel'], outputs: ['logits'], attributes: {} },
        ...(nodes ?? [{ op: 'Softmax', inputs: ['logits'], outputs: ['p'], attributes: {} }]),
      ],
    },
  });
  writeFileSync(join(folder, name), file);
}
