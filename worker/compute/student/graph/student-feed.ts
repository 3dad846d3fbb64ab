/**
 * The nodes that bring a micro-batch of samples, float32 of [rows x sample], channels last, to what each input of a
 * student's graph takes: a part of the sample or all of it, in its layout and of its type. Pure.
 *
 * Whole numbers are exact up to 2^24, which is what a float32 holds.
 */
import type { SpecInput, GraphSpec } from '../../../../shared/models/student-spec.js';
import { elementsIn } from '../../../../shared/shape.js';
import { dataTypes } from '../../onnx/proto.js';
import { samplesName } from './forward.js';
import type { GraphWriter } from './gradient/writer.js';

/** Adds to `write` what makes the values of the graph's inputs, under their names. */
export function feedGraph(write: GraphWriter, { graph: { inputs }, inputShape }: GraphSpec, rows: number): void {
  for (const input of inputs) {
    const { value, shape } = partOf(write, input, { inputShape, rows });
    const rank = shape.length + 1;
    const turned =
      input.isChannelsFirst && rank > 3
        ? write.node('Transpose', [value], { perm: [0, rank - 1, ...shape.slice(1).map((_, i) => i + 1)] })
        : value;
    const laidOut = [turned, write.integers(-1, ...input.feed)];
    const isFloat = input.type === 'float32';
    const given = isFloat ? laidOut : [write.node('Reshape', laidOut)];
    write.nodes.push({
      op: isFloat ? 'Reshape' : 'Cast',
      inputs: given,
      outputs: [input.name],
      attributes: isFloat ? {} : { to: dataTypes[input.type] },
    });
  }
}

interface Samples {
  readonly inputShape: readonly number[];
  readonly rows: number;
}

/** A value of float32, and the shape of one row of it, channels last. */
interface Part {
  readonly value: string;
  readonly shape: readonly number[];
}

function partOf(write: GraphWriter, { part }: SpecInput, { inputShape, rows }: Samples): Part {
  if (part === undefined) return { value: samplesName, shape: inputShape };
  const { shape, from } = part;
  const sizes = write.integers(rows, ...shape);
  if ('fill' in from) return { value: write.node('Expand', [write.scalar(from.fill), sizes]), shape };
  const flat =
    inputShape.length === 1
      ? samplesName
      : write.node('Reshape', [samplesName, write.integers(rows, elementsIn(inputShape))]);
  const ranges = from.elements.map(([at, length]) =>
    write.node('Slice', [flat, write.integers(at), write.integers(at + length), write.integers(1)]),
  );
  const [only = ''] = ranges;
  const taken = ranges.length === 1 ? only : write.node('Concat', ranges, { axis: 1 });
  return { value: write.node('Reshape', [masked(write, taken, from.padding), sizes]), shape };
}

/** 1 where it is another number than `padding`. */
function masked(write: GraphWriter, value: string, padding: number | undefined): string {
  if (padding === undefined) return value;
  const isPadding = write.node('Equal', [value, write.scalar(padding)]);
  return write.node('Cast', [write.node('Not', [isPadding])], { to: dataTypes.float32 });
}
