/** A student's logits over a whole data set, in forwards of one size. */
import { classifierReport, type ClassifierReport } from '../../shared/figures/classification.js';
import { elementsIn } from '../../shared/shape.js';

export interface Classifier {
  /** [rows x classes] */
  logits(inputs: Float32Array, rows: number): Float32Array;
}

export interface EvaluationData {
  /** Samples, preprocessed; [samples x inputShape]. */
  readonly inputs: Float32Array;
  /** -1: no label. */
  readonly labels: Int32Array;
  readonly inputShape: readonly number[];
  readonly classes: number;
}

/**
 * [samples x classes]. Every forward has `rows` rows, the last one filled up with zeros: the bits of a row may depend
 * on how many are computed with it.
 */
export function logitsOf(
  model: Classifier,
  { inputs, inputShape, labels, classes }: EvaluationData,
  rows: number,
): Float32Array {
  const size = elementsIn(inputShape);
  const samples = labels.length;
  const logits = new Float32Array(samples * classes);
  const batch = new Float32Array(rows * size);
  for (let from = 0; from < samples; from += rows) {
    const count = Math.min(rows, samples - from);
    batch.fill(0).set(inputs.subarray(from * size, (from + count) * size));
    logits.set(model.logits(batch, rows).subarray(0, count * classes), from * classes);
  }
  return logits;
}

/** Accuracy, top-5, loss, calibration and confusion over the labelled samples. */
export function evaluateClassifier(model: Classifier, data: EvaluationData, rows = 64): ClassifierReport {
  return classifierReport(logitsOf(model, data, rows), data.labels, data.classes);
}
