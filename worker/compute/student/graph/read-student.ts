/**
 * What an ONNX file says of a student: which of its constants are weights, and with which values they begin. Pure.
 *
 * A weight is a float initialiser of one axis or more that a node computes with. Scalars are settings, as are bounds,
 * sizes, paddings and masks of infinities. The third and fourth further inputs of a batch norm are its moving values.
 */
import { ownEntry } from '../../../../shared/own.js';
import { exitCodes, UserError } from '../../../../shared/errors.js';
import type { WeightSpec } from '../../../../shared/models/student-spec.js';
import { elementsIn } from '../../../../shared/shape.js';
import { floatOr } from './gradient/operator.js';
import { withoutValues } from '../../onnx/initialisers.js';
import type { OnnxConstant, OnnxModel, OnnxNode } from '../../onnx/graph.js';
import { readOnnx, UnreadableOnnx, type ExternalFiles } from '../../onnx/read.js';
import { OldOnnx, upgradeOnnx } from '../../onnx/upgrade.js';

export interface OnnxStudentFile {
  readonly model: OnnxModel;
  /** The file without the values of the weights. */
  readonly bare: Uint8Array;
  readonly weights: readonly WeightSpec[];
  readonly values: ReadonlyMap<string, Float32Array>;
  /** Whether batch norm seems to have been folded into convolutions when the file was written. */
  readonly isFolded: boolean;
  /** Weights whose values are all equal and that several nodes take: exporters merge initialisers that are alike. */
  readonly merged: readonly MergedWeight[];
}

export interface MergedWeight {
  readonly name: string;
  readonly nodes: number;
  /** The value of all of its elements. */
  readonly value: number;
}

/** @param title of the file, for messages @throws UserError 65 when it is no graph that can be trained */
export function readOnnxStudent(title: string, file: Uint8Array, external: ExternalFiles): OnnxStudentFile {
  try {
    const model = upgradeOnnx(readOnnx(file, external));
    checkMoments(title, model);
    const weights = weightsOf(model);
    if (!weights.some(({ kind }) => kind === 'trained'))
      throw new UserError(`student ${title}: it has no float initialisers that could be trained`, exitCodes.data);
    const names = new Set(weights.map(({ name }) => name));
    const constants = model.graph.constants.filter(({ name }) => names.has(name));
    return {
      model,
      bare: withoutValues(file, names),
      weights,
      values: new Map(constants.map((constant) => [constant.name, floatsIn(constant)])),
      isFolded: isFolded(model),
      merged: mergedIn(model, constants),
    };
  } catch (error) {
    if (error instanceof UserError) throw error;
    if (error instanceof UnreadableOnnx || error instanceof OldOnnx)
      throw new UserError(`student ${title}: ${error.message}`, exitCodes.data, error);
    throw new UserError(
      `student ${title}: it is damaged or no ONNX model; a whole one was wanted`,
      exitCodes.data,
      error,
    );
  }
}

/** Inputs that say how an operator works, by their number: never weights. */
const settings: Readonly<Record<string, readonly number[]>> = {
  Clip: [1, 2],
  Pad: [1, 2, 3],
  Resize: [1, 2, 3],
  Upsample: [1],
  Dropout: [1, 2],
};

function weightsOf({ graph: { nodes, constants } }: OnnxModel): WeightSpec[] {
  const uses = usesOf(nodes);
  return constants.flatMap((constant): WeightSpec[] => {
    const { name, shape } = constant;
    const use = uses.get(name);
    if (use === undefined || isSetting(constant)) return [];
    return [{ name, shape: [...shape], layer: layerOf(name), kind: 'trained', ...use }];
  });
}

/** Scalars, also those of one axis that an exporter has named by itself, and masks with infinities. */
function isSetting(constant: OnnxConstant): boolean {
  const { name, type, shape } = constant;
  if (type !== 'float32' || shape.length === 0) return true;
  if (elementsIn(shape) === 1 && !name.includes('.')) return true;
  return floatsIn(constant).some((value) => value === Infinity || value === -Infinity);
}

type Use = Partial<Pick<WeightSpec, 'kind' | 'layer' | 'momentum'>>;

/** What each value is used as; none for one that only sets how nodes work. */
function usesOf(nodes: readonly OnnxNode[]): ReadonlyMap<string, Use> {
  const uses = new Map<string, Use>();
  for (const node of nodes) {
    node.inputs.forEach((name, i) => {
      if (ownEntry(settings, node.op)?.includes(i) === true) return;
      const kind = kindOf(node, i);
      if (kind === 'trained') {
        uses.set(name, uses.get(name) ?? {});
        return;
      }
      const layer = node.name ?? node.outputs[0] ?? '';
      uses.set(name, { kind, layer, momentum: floatOr(node, 'momentum', 0.9) });
    });
  }
  return uses;
}

/** What a node takes the weight for that is its input of this number, from 0. */
function kindOf({ op }: OnnxNode, input: number): 'trained' | 'mean' | 'variance' {
  if (op !== 'BatchNormalization' || input < 3) return 'trained';
  return input === 3 ? 'mean' : 'variance';
}

/** The module that a weight belongs to: its name without the last part. */
function layerOf(name: string): string {
  const dot = name.lastIndexOf('.');
  return dot < 0 ? name : name.slice(0, dot);
}

function floatsIn({ bytes }: OnnxConstant): Float32Array {
  return new Float32Array(new Uint8Array(bytes).buffer);
}

/** @throws UserError 65 for an initialiser that is both a moving value of a batch norm and something that is trained */
function checkMoments(title: string, { graph: { nodes, constants } }: OnnxModel): void {
  const kinds = new Map<string, Set<string>>();
  for (const node of nodes)
    node.inputs.forEach((name, i) => kinds.set(name, (kinds.get(name) ?? new Set()).add(kindOf(node, i))));
  const odd = constants.find(({ name }) => (kinds.get(name)?.size ?? 0) > 1);
  if (odd !== undefined)
    throw new UserError(
      `student ${title}: ${odd.name} is one initialiser for a batch norm's moving values and for weights, which an exporter has merged since they were equal; ${apart} wanted`,
      exitCodes.data,
    );
}

/** How PyTorch's exporters are told to keep equal weights apart. */
export const apart =
  'an export that keeps them apart (optimize=False, or with dynamo=False training=torch.onnx.TrainingMode.TRAINING)';

function mergedIn({ graph: { nodes } }: OnnxModel, weights: readonly OnnxConstant[]): MergedWeight[] {
  const counts = new Map<string, number>();
  for (const { inputs } of nodes) for (const name of new Set(inputs)) counts.set(name, (counts.get(name) ?? 0) + 1);
  return weights.flatMap((constant) => {
    const count = counts.get(constant.name) ?? 0;
    if (count < 2) return [];
    const values = floatsIn(constant);
    const [value = 0] = values;
    return values.every((other) => other === value) ? [{ name: constant.name, nodes: count, value }] : [];
  });
}

/** PyTorch's exporters give convolutions that took a batch norm in weights of new names. */
function isFolded({ graph: { nodes, constants } }: OnnxModel): boolean {
  const names = new Set(nodes.filter(({ op }) => op === 'Conv').flatMap(({ inputs }) => inputs.slice(1)));
  return (
    !nodes.some(({ op }) => op === 'BatchNormalization') &&
    constants.some(({ name }) => names.has(name) && /^onnx::Conv_\d+$|\.weight_bias$/.test(name))
  );
}
