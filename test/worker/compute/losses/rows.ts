/**
 * One row for each loss of shared/losses/table.ts: what the tests of every loss must know of it beside its description.
 * A loss without a row does not compile, and fails with its name; so does one without PyTorch's values
 * (test/reference/losses.py, pair_losses.py).
 */
import { lossTable, type BuiltInLoss } from '../../../../shared/losses/table.js';
import { hasVectors, type VectorTask } from '../../../../shared/task.js';

export interface Row {
  /** Whether it and its gradient are 0 where the student equals what it should be like. */
  readonly imitates: boolean;
  /** Whether a sample's gradient depends on the others of its micro-batch. */
  readonly relates: boolean;
  /** Whether the norm of its gradient stays nearly the same over temperatures; null: it has none. */
  readonly isSteady: boolean | null;
  /** What a recipe must say of it beside its weight; taps of the student and the teachers of loss-runs.test.ts. */
  readonly recipe: Readonly<Record<string, unknown>>;
}

const onOutputs: Row = { imitates: true, relates: false, isSteady: null, recipe: {} };
const onPairs = (recipe: Row['recipe'], relates: boolean): Row => ({ ...onOutputs, relates, recipe });

const rows: Readonly<Record<BuiltInLoss, Row>> = {
  crossEntropy: { ...onOutputs, imitates: false },
  regression: { ...onOutputs, imitates: false },
  binaryCrossEntropy: { ...onOutputs, imitates: false },
  response: { ...onOutputs, isSteady: true },
  decoupled: { ...onOutputs, isSteady: true },
  // Pearson's correlation does not see how soft the labels are, so T^2 is all that is left.
  dist: { ...onOutputs, relates: true, isSteady: false },
  logitMse: onOutputs,
  // Its labels are as hard at every temperature.
  virtualTeacher: { ...onOutputs, imitates: false, isSteady: false },
  embedding: onOutputs,
  multiLabel: { ...onOutputs, isSteady: true },
  features: onPairs(
    {
      pairs: [
        { student: 'relu1', teacher: 'wide//2/Relu', adapter: 'conv1x1', batchNorm: true, activation: 'relu' },
        { student: 'relu2', teacher: 'deep/logits', adapter: 'dense' },
      ],
    },
    false,
  ),
  attention: onPairs({ normalize: 'l2', pairs: 'auto' }, false),
  selfDistillation: onPairs({ from: ['relu1'], to: 'logits', distance: 'cosine', adapter: 'dense' }, false),
  exitCrossEntropy: { ...onOutputs, imitates: false },
  exitResponse: { ...onOutputs, isSteady: true },
  relational: onPairs(
    {
      pairs: [
        { student: 'logits', teacher: 'wide/logits' },
        { student: 'flatten', teacher: 'deep/logits' },
      ],
    },
    true,
  ),
  similarity: onPairs({ pairs: [{ student: 'pool1', teacher: 'wide//2/Relu' }] }, true),
  probabilistic: onPairs({ pairs: [{ student: 'flatten', teacher: 'wide//2/Relu' }] }, true),
  selectivity: onPairs({ pairs: 'auto' }, false),
  correlation: onPairs({ pairs: [{ student: 'logits', teacher: 'wide/logits' }] }, true),
};

export const lossNames: readonly BuiltInLoss[] = lossTable.map(({ name }) => name);

export const rowNames: readonly string[] = Object.keys(rows);

/** @throws Error naming the loss when it has no row */
export function rowOf(name: BuiltInLoss): Row {
  const row: Row | undefined = Object.hasOwn(rows, name) ? rows[name] : undefined;
  if (row === undefined) throw new Error(`test/worker/compute/losses/rows.ts has no row for ${name}`);
  return row;
}

/** What the table says of a loss. */
export function lossOf(name: BuiltInLoss): (typeof lossTable)[number] {
  const found = lossTable.find((loss) => loss.name === name);
  if (found === undefined) throw new Error(`no loss ${name}`);
  return found;
}

/** What its gradient is with respect to: the student's answer, its activation in a pair, or its earlier exits. */
export const lossesOn = (...kinds: (typeof lossTable)[number]['on'][]): BuiltInLoss[] =>
  lossTable.filter(({ on }) => kinds.includes(on)).map(({ name }) => name);

/** The task with target vectors that the loss is for; undefined for one that goes with classes. */
export function vectorTaskOf(name: BuiltInLoss): VectorTask | undefined {
  const { tasks } = lossOf(name);
  return tasks?.includes('classes') === true ? undefined : tasks?.find(hasVectors);
}
