/**
 * One row for each loss term: what the tests of every term must know of it. A new term without its row does not
 * compile, and one without PyTorch's values (test/reference/losses.py, pair_losses.py) fails.
 */
import type { TermName } from '../../../../shared/recipe/loss-schema.js';
import type { VectorTask } from '../../../../shared/task.js';
import { isTerm, terms } from '../../../../shared/recipe/terms.js';

export interface Row {
  /** What its gradient is with respect to: the student's logits, its activation in a pair, or its earlier exits. */
  readonly on: 'logits' | 'pairs' | 'exits';
  /** Whether it and its gradient are 0 where the student equals what it should be like. */
  readonly imitates: boolean;
  /** Whether a sample's gradient depends on the others of its micro-batch. */
  readonly relates: boolean;
  /** Whether the norm of its gradient stays nearly the same over temperatures; null: it has none. */
  readonly isSteady: boolean | null;
  /** What a recipe must say of it beside its weight; taps of the student and the teachers of loss-runs.test.ts. */
  readonly recipe: Readonly<Record<string, unknown>>;
  /** What samples are to be told; default: classes. */
  readonly task?: VectorTask;
}

const onLogits: Row = { on: 'logits', imitates: true, relates: false, isSteady: null, recipe: {} };
const onPairs = (recipe: Row['recipe'], relates: boolean): Row => ({
  on: 'pairs',
  imitates: true,
  relates,
  isSteady: null,
  recipe,
});
const onExits: Row = { ...onLogits, on: 'exits' };

export const rows: Readonly<Record<TermName, Row>> = {
  crossEntropy: { ...onLogits, imitates: false },
  regression: { ...onLogits, imitates: false, task: 'regression' },
  binaryCrossEntropy: { ...onLogits, imitates: false, task: 'multiLabel' },
  response: { ...onLogits, isSteady: true },
  decoupled: { ...onLogits, isSteady: true },
  // Pearson's correlation does not see how soft the labels are, so T^2 is all that is left.
  dist: { ...onLogits, relates: true, isSteady: false },
  logitMse: onLogits,
  // Its labels are as hard at every temperature.
  virtualTeacher: { ...onLogits, imitates: false, isSteady: false },
  embedding: onLogits,
  multiLabel: { ...onLogits, isSteady: true },
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
  exitCrossEntropy: { ...onExits, imitates: false },
  exitResponse: { ...onExits, isSteady: true },
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

export const termNames: readonly TermName[] = Object.keys(terms).filter(isTerm);
export const termsOn = (...kinds: Row['on'][]): TermName[] => termNames.filter((term) => kinds.includes(rows[term].on));
