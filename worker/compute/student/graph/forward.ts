/** A student's own forward as a graph, wherever it comes from: layers, or an ONNX file. */
import type { OnnxConstant, OnnxModel, OnnxNode } from '../../onnx/graph.js';

/** The names of a batch-norm layer's moments in the graph: mean and biased variance of its micro-batch, [channels]. */
export interface Moments {
  readonly mean: string;
  readonly variance: string;
}

export interface Forward {
  readonly operatorSets: OnnxModel['operatorSets'];
  readonly nodes: readonly OnnxNode[];
  readonly constants: readonly OnnxConstant[];
  /** The value that is its answer: its last output. */
  readonly answer: string;
  /** Its outputs before the last one, in order. */
  readonly exits: readonly string[];
  /** The value of a tap, channels last. @throws Error for one that it does not have */
  readonly tap: (name: string) => string;
  /** By batch-norm layer; empty in inference. */
  readonly moments: ReadonlyMap<string, Moments>;
}

export interface Purpose {
  /** Batch norm by the micro-batch's own moments, and dropout; else inference. */
  readonly isTraining: boolean;
  readonly rows: number;
  /** The taps that will be asked for. */
  readonly taps: readonly string[];
}

/** The name of a graph's samples: [rows x sample], channels last. */
export const samplesName = 'input';
