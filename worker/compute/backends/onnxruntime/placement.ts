/**
 * What of a session runs on the CPU although it was opened on a GPU: ONNX Runtime gives each node that the GPU's
 * provider does not take to the CPU, and says nothing. Its profile of one run names every node with its provider. Pure.
 */
import { z } from 'zod';
import { elementsIn } from '../../../../shared/shape.js';

/** Types of a node's inputs or outputs: of each, its shape by the name of its element type. */
const shapesSchema = z.array(z.record(z.string(), z.array(z.number())));

const profileSchema = z.array(
  z.object({
    cat: z.string(),
    name: z.string(),
    args: z
      .object({
        provider: z.string().optional(),
        op_name: z.string().optional(),
        input_type_shape: shapesSchema.optional(),
        output_type_shape: shapesSchema.optional(),
      })
      .optional(),
  }),
);

/** A node as it ran. */
export interface PlacedNode {
  readonly op: string;
  /** Empty where the model names none. */
  readonly name: string;
  /** As ONNX Runtime names it, for example `CUDAExecutionProvider`. */
  readonly provider: string;
  /** Floating-point numbers that it took and gave. */
  readonly numbers: number;
}

const cpuProvider = 'CPUExecutionProvider';
const ending = '_kernel_time';
/** Nodes that see so few numbers are arithmetic on shapes, which ONNX Runtime leaves to the CPU on purpose. */
const fewNumbers = 64;
/** How many names are said of the nodes of one operator. */
const namesSaid = 2;

/** The nodes of a profile that ONNX Runtime has written, in the order in which they ran. */
export function placedNodes(profile: string): PlacedNode[] {
  return profileSchema.parse(JSON.parse(profile)).flatMap(({ cat, name, args }) => {
    if (cat !== 'Node' || !name.endsWith(ending) || args?.provider === undefined) return [];
    const { provider, op_name: op = '', input_type_shape: inputs = [], output_type_shape: outputs = [] } = args;
    const numbers = [...inputs, ...outputs].reduce((sum, one) => sum + floatsIn(one), 0);
    return [{ op, name: name.slice(0, -ending.length), provider, numbers }];
  });
}

function floatsIn(value: Readonly<Record<string, readonly number[]>>): number {
  return Object.entries(value).reduce(
    (sum, [type, shape]) => sum + (/float|double/.test(type) ? elementsIn(shape) : 0),
    0,
  );
}

/** Which nodes of a session on a GPU run on the CPU, in words; null where none that matters does. */
export function cpuPart(nodes: readonly PlacedNode[]): string | null {
  const left = nodes.filter(({ provider, numbers }) => provider === cpuProvider && numbers > fewNumbers);
  if (left.length === 0) return null;
  const ops = [...new Set(left.map(({ op }) => op))].map((op) => {
    const own = left.filter((node) => node.op === op);
    const names = own.map(({ name }) => name).filter((name) => name !== '');
    return [op, `${own.length}${names.length === 0 ? '' : `: ${shown(names)}`}`] as const;
  });
  return `${left.length} of ${nodes.length} nodes run on the CPU, since ONNX Runtime's CUDA provider does not take them: ${ops
    .map(([op, found]) => `${op} (${found})`)
    .join(', ')}`;
}

function shown(names: readonly string[]): string {
  return [...names.slice(0, namesSaid), ...(names.length > namesSaid ? ['...'] : [])].join(', ');
}
