/**
 * tfjs-node's calls for TensorFlow's SavedModels, by the bindings of the native backend that is open. They come without
 * types of ours, so what they say of a model is checked here.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { z } from 'zod';
import type { Tensor } from '@tensorflow/tfjs';
import type { TensorFlow } from '../backend.js';

/** A dimension as a message of protobuf; -1: any. */
const dimension = z
  .custom<{ getSize(): number }>((value) => typeof value === 'object' && value !== null && 'getSize' in value)
  .transform((dim) => dim.getSize());
const valueSchema = z.object({ name: z.string(), dtype: z.string(), tfDtype: z.string(), shape: z.array(dimension) });
const signatureSchema = z.object({
  inputs: z.record(z.string(), valueSchema),
  outputs: z.record(z.string(), valueSchema),
});
const metaGraphsSchema = z.array(
  z.object({ tags: z.array(z.string()), signatureDefs: z.record(z.string(), signatureSchema) }),
);

/** An input or output of a signature: the graph's name for it, types of tfjs and of TensorFlow, and its shape. */
export type SignatureValue = z.infer<typeof valueSchema>;

/** A way to call a SavedModel: its inputs and outputs by name. */
export type Signature = z.infer<typeof signatureSchema>;

/** An operation of a SavedModel's graph. */
export interface GraphNode {
  readonly name: string;
  readonly op: string;
  readonly inputs: readonly string[];
  /** The shape of a variable of floating-point numbers; null for every other node. */
  readonly variable: readonly number[] | null;
}

/** What the native backend can do with a SavedModel's folder. */
export interface SavedModels {
  /** Tags of each graph in the folder, and its signatures by name. */
  describe(folder: string): Promise<z.infer<typeof metaGraphsSchema>>;
  /** Nodes of the folder's graph with this number, functions that they call left out. */
  nodes(folder: string, graph: number): Promise<readonly GraphNode[]>;
  /** @returns the session, for `run` and `close` */
  open(folder: string, tags: readonly string[]): number;
  /** The wanted values, as tensors that are the caller's. */
  run(
    session: number,
    inputs: readonly { readonly tensor: Tensor; readonly as: SignatureValue }[],
    wanted: readonly string[],
  ): Tensor[];
  close(session: number): void;
}

interface ProtoNode {
  getName(): string;
  getOp(): string;
  getInputList(): string[];
  getAttrMap(): {
    get(
      key: string,
    ): { getType(): number; getShape(): { getDimList(): { getSize(): number }[] } | undefined } | undefined;
  };
}

interface Bindings {
  getMetaGraphsFromSavedModel(folder: string): Promise<unknown>;
  readSavedModelProto(
    folder: string,
  ): Promise<{ getMetaGraphsList(): { getGraphDef(): { getNodeList(): ProtoNode[] } }[] }>;
}

interface NativeCalls {
  loadSavedModelMetaGraph(folder: string, tags: string): number;
  runSavedModel(session: number, inputs: Tensor[], infos: SignatureValue[], outputs: string[]): Tensor[];
  deleteSavedModel(session: number): void;
}

/** TensorFlow's numbers for float, double, half and bfloat16. */
const floatTypes: ReadonlySet<number> = new Set([1, 2, 19, 14]);

/** @param bindingFolder of bindings that are loaded, and whose backend is the one of `tf` */
export function savedModelsOf(tf: TensorFlow, bindingFolder: string): SavedModels {
  const bindings = createRequire(join(bindingFolder, 'package.json'))(
    join(bindingFolder, 'dist/saved_model.js'),
  ) as Bindings;
  const native = tf.backend() as unknown as NativeCalls;
  return {
    describe: async (folder) => metaGraphsSchema.parse(await bindings.getMetaGraphsFromSavedModel(folder)),
    nodes: async (folder, graph) =>
      ((await bindings.readSavedModelProto(folder)).getMetaGraphsList()[graph]?.getGraphDef().getNodeList() ?? []).map(
        readNode,
      ),
    open: (folder, tags) => native.loadSavedModelMetaGraph(folder, tags.join(',')),
    run: (session, inputs, wanted) => {
      const tensors = inputs.map(({ tensor }) => tensor);
      return native.runSavedModel(
        session,
        tensors,
        inputs.map(({ as }) => as),
        [...wanted],
      );
    },
    close: (session) => native.deleteSavedModel(session),
  };
}

function readNode(node: ProtoNode): GraphNode {
  const attributes = node.getAttrMap();
  const op = node.getOp();
  const isVariable =
    (op === 'VarHandleOp' || op === 'VariableV2') && floatTypes.has(attributes.get('dtype')?.getType() ?? 0);
  const shape = attributes
    .get('shape')
    ?.getShape()
    ?.getDimList()
    .map((dim) => dim.getSize());
  return { name: node.getName(), op, inputs: node.getInputList(), variable: isVariable ? (shape ?? null) : null };
}
