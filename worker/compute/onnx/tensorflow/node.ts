/** A node of a frozen TensorFlow graph, as a tfjs GraphModel's JSON has it, while it is written as ONNX nodes. */
import { z } from 'zod';
import { mustAt } from '../../../../shared/must.js';
import { elementsIn } from '../../../../shared/shape.js';
import { floats, integers } from '../graph.js';
import type { OnnxBuilder } from '../layers/builder.js';
import { NoOnnxForm } from '../no-onnx-form.js';

/** A text: base64, or its bytes one by one. */
const textSchema = z.union([z.string(), z.array(z.number())]);

const attributeSchema = z
  .object({
    s: textSchema,
    i: z.union([z.string(), z.number()]),
    f: z.union([z.number(), z.string()]),
    b: z.boolean(),
    type: z.union([z.string(), z.number()]),
    list: z.object({ i: z.array(z.union([z.string(), z.number()])), s: z.array(textSchema) }).partial(),
  })
  .partial()
  .loose();

/** Nodes of a graph's JSON. */
export const tensorFlowNodesSchema = z.array(
  z.object({
    name: z.string(),
    op: z.string(),
    input: z.array(z.string()).default([]),
    attr: z.record(z.string(), attributeSchema.nullable()).default({}),
  }),
);

export type TensorFlowNode = z.infer<typeof tensorFlowNodesSchema>[number];

/** A value that is known when the graph is written. Whole numbers of all sizes are int64 in ONNX. */
export interface KnownTensor {
  readonly type: 'float32' | 'int64';
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** An input of a node: a value of the ONNX graph, or one that is known. */
export type Operand = string | KnownTensor;

function text(given: z.infer<typeof textSchema>): string {
  return (typeof given === 'string' ? Buffer.from(given, 'base64') : Buffer.from(given)).toString('utf8');
}

/** A node with its inputs, and what ONNX nodes are made by. */
export class NodeWriter {
  readonly b: OnnxBuilder;
  readonly node: TensorFlowNode;
  readonly operands: readonly Operand[];

  constructor(b: OnnxBuilder, node: TensorFlowNode, operands: readonly Operand[]) {
    [this.b, this.node, this.operands] = [b, node, operands];
  }

  /** The name of an input in the ONNX graph. */
  input(index: number): string {
    return asValue(this.b, mustAt(this.operands, index, `input of ${this.node.name}`));
  }

  get inputs(): string[] {
    return this.operands.map((operand) => asValue(this.b, operand));
  }

  /** An input that must be known. @throws NoOnnxForm where it is computed */
  known(index: number, what: string): KnownTensor {
    const operand = mustAt(this.operands, index, `input of ${this.node.name}`);
    if (typeof operand !== 'string') return operand;
    throw this.refusal(`its ${what} is no constant`);
  }

  /** Whole numbers that must be known. @throws NoOnnxForm where they are computed */
  integers(index: number, what: string): number[] {
    return [...this.known(index, what).values];
  }

  integer(index: number, what: string): number {
    return mustAt(this.integers(index, what), 0, what);
  }

  /** A text of the node; `otherwise` where it is not given. */
  text(name: string, otherwise: string): string {
    const given = this.node.attr[name]?.s;
    return given === undefined ? otherwise : text(given);
  }

  texts(name: string): string[] {
    return (this.node.attr[name]?.list?.s ?? []).map(text);
  }

  flag(name: string): boolean {
    return this.node.attr[name]?.b ?? false;
  }

  number(name: string, otherwise: number): number {
    const { i, f } = this.node.attr[name] ?? {};
    return Number(i ?? f ?? otherwise);
  }

  list(name: string): number[] {
    return (this.node.attr[name]?.list?.i ?? []).map(Number);
  }

  /** A type of elements as TensorFlow names it: `DT_FLOAT`. */
  type(name: string): string {
    const given = this.node.attr[name]?.type;
    return typeof given === 'number' ? `DT_${typeNames[given] ?? given}` : (given ?? 'DT_FLOAT');
  }

  refusal(why: string): NoOnnxForm {
    return new NoOnnxForm(`node ${this.node.name} (${this.node.op})`, why);
  }
}

/** Writes a node; gives the name of its output, or of each where it has several. @throws NoOnnxForm for odd settings */
export type WriteNode = (n: NodeWriter) => string | readonly string[];

/** TensorFlow's numbers of types, for files that have these. */
const typeNames: Readonly<Record<number, string>> = { 1: 'FLOAT', 3: 'INT32', 9: 'INT64', 10: 'BOOL' };

/** The operand as a value of the graph, a constant where it is known. */
export function asValue(b: OnnxBuilder, operand: Operand): string {
  if (typeof operand === 'string') return operand;
  const { type, shape, values } = operand;
  const name = `c${b.constants.length}`;
  b.constants.push(type === 'float32' ? floats(name, shape, values) : integers(name, shape, [...values]));
  return name;
}

/** The tensor with its axes in another order and then in another shape. */
export function turned(
  { shape, values, type }: KnownTensor,
  perm: readonly number[],
  newShape: readonly number[],
): KnownTensor {
  const steps = shape.map((_, axis) => elementsIn(shape.slice(axis + 1)));
  const out = new Float32Array(values.length);
  let at = 0;
  const visit = (axis: number, from: number): void => {
    const own = perm[axis];
    if (own === undefined) {
      out[at++] = values[from] ?? 0;
      return;
    }
    for (let i = 0; i < mustAt(shape, own); i++) visit(axis + 1, from + i * mustAt(steps, own));
  };
  visit(0, 0);
  return { type, shape: newShape, values: out };
}
