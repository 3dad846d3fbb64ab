/** What test/reference/training.py wrote with PyTorch. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface Packed {
  readonly shape: number[];
  readonly base64: string;
}

export interface ReferenceRun {
  readonly student: 'mlp' | 'cnn-small';
  readonly optimizer: Record<string, unknown>;
  readonly initial: Record<string, Packed>;
  readonly weights: Record<string, Packed>;
  readonly epochs: readonly { readonly crossEntropy: number; readonly response: number }[];
}

export interface LossCase {
  readonly term: 'crossEntropy' | 'response';
  /** Label smoothing, or temperature. */
  readonly option: number;
  readonly values: number[];
  readonly gradient: number[];
  readonly logP?: number[];
}

export interface TrainingReference {
  readonly classes: number;
  readonly batch: number;
  readonly weights: { readonly crossEntropy: number; readonly response: number };
  readonly temperature: number;
  readonly inputs: Packed;
  readonly labels: number[];
  readonly teachers: Packed[];
  readonly teacherWeights: number[];
  readonly runs: ReferenceRun[];
  readonly losses: {
    readonly logits: number[];
    readonly labels: number[];
    readonly classes: number;
    readonly cases: LossCase[];
  };
}

const file = fileURLToPath(new URL('../../reference/data/training.json', import.meta.url));
export const reference = JSON.parse(readFileSync(file, 'utf8')) as TrainingReference;

export function unpack({ base64 }: Packed): Float32Array {
  const bytes = Uint8Array.from(Buffer.from(base64, 'base64'));
  return new Float32Array(bytes.buffer);
}
