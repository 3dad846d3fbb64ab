/**
 * What worker/compute gives to the rest of the worker: a run's samples with their labels, and its student's gradients.
 * open/run-models.ts makes it of real models and data; what these interfaces leave out, the trainer does not know. They
 * import nothing of the rest of the worker, and of worker/compute nothing at all.
 */
import { exitCodes, UserError } from '../../shared/errors.js';
import type { Manifest } from '../../shared/data/manifest.js';
import type { StudentSpec } from '../../shared/models/student-spec.js';
import type { TeacherSpec } from '../../shared/protocol/messages.js';
import type { RandomKey } from '../../shared/random.js';
import type { Sums } from '../../shared/replica/reduction/contribution.js';
import type { PooledMoments } from '../../shared/replica/reduction/moments.js';
import type { LossesAtStep } from '../../shared/recipe/schedules.js';
import type { Task } from '../../shared/task.js';
import type { Activation } from '../../shared/losses/math/activation.js';
import type { Recipe } from '../../shared/recipe/schema.js';

/** What one run computes. All files lie on this machine's disk already, but for the data shards. */
export interface RunDefinition {
  readonly recipe: Recipe;
  readonly spec: StudentSpec;
  readonly teachers: readonly TeacherSpec[];
  readonly manifest: Manifest;
  /** Paths of the teachers' files by SHA-256. */
  readonly files: ReadonlyMap<string, string>;
}

/** What the ensemble says of a micro-batch, [rows x classes] each. */
export interface SoftTargets {
  /** Log-probabilities of its mixture at a temperature. @throws Error when the labels for it were not asked for */
  at(temperature: number): Float32Array;
  /** The weighted mean of the teachers' raw logits. @throws Error when the labels for it were not asked for */
  logits(): Float32Array;
}

export interface Targets {
  /** [rows], or of sequences [rows x positions], each a row for the losses; -1: no label. */
  readonly labels: Int32Array;
  /** Whether positions of weight 0 are no part of anything. */
  readonly isSequence?: boolean;
  /**
   * [rows x classes]: what the student's outputs should be, of the rows whose label is not -1; absent where samples
   * have classes. Of mixed rows mixed, too.
   */
  readonly vectors?: Float32Array | undefined;
  /** [rows]: what each row's share in the loss terms is multiplied by; absent: 1. */
  readonly weights?: Float32Array | undefined;
  /**
   * Where each row is mixed with another (mixup.ts): that one's labels, [rows], and the share of the row's own sample.
   */
  readonly mixed?: { readonly labels: Int32Array; readonly weights?: Float32Array | undefined; readonly share: number };
  /** What the ensemble says of the rows; null where no loss asks for it. */
  readonly soft: SoftTargets | null;
  /** Teachers' inner values that the losses compare with, by `TEACHER/TAP`; absent where no loss compares any. */
  readonly activations?: ReadonlyMap<string, Activation>;
}

export interface MicroBatch {
  readonly rows: number;
  /** [rows x sample], preprocessed. */
  readonly inputs: Float32Array;
  readonly targets: Targets;
  /** Names of the teachers that label each row; absent: all do. */
  readonly routes?: readonly (readonly string[])[];
}

export interface StepContext {
  readonly losses: LossesAtStep;
  /** Per loss term, for the whole global batch. */
  readonly divisors: Readonly<Record<string, number>>;
  readonly dropoutKey: RandomKey;
  /** Of an epoch's first micro-batch: whether to take the norm of each term's gradient apart, too; costs a forward and backward for each. */
  readonly isProbed?: boolean;
}

export interface GradientResult {
  readonly hasGradient: boolean;
  /** By the names of shared/figures. */
  readonly sums: Sums;
  readonly moments: PooledMoments | null;
}

/** [rows x classes] each. */
export interface StudentOutputs {
  /** The student's answer: its last exit. */
  readonly logits: Float32Array;
  /** The earlier ones by name, in the model's order. */
  readonly exits: ReadonlyMap<string, Float32Array>;
}

/** What a trainer may ask of the student. */
export interface StudentCompute {
  /** Copies the weights out of the replica's regions of that name, at once. */
  load(weights: Float32Array, frozen: Float32Array, moving: Float32Array): void;
  /**
   * The gradient of the micro-batch's share of the total loss, in training mode. The micro-batch stays as it is.
   * Without a term that applies to it nothing is computed, and `out` stays as it is, too.
   *
   * @param out gets the gradient: gradientFloats floats, laid out as the replica's weights, 0 for a weight that the
   * outputs do not depend on
   */
  gradients(batch: MicroBatch, step: StepContext, out: Float32Array): Promise<GradientResult>;
  /** The student's outputs in inference mode, batch norm by the moving values. `inputs` is [rows x sample]. */
  outputs(inputs: Float32Array, rows: number): Promise<StudentOutputs>;
}

export interface RunCompute {
  readonly student: StudentCompute;
  readonly classes: number;
  readonly task: Task;
  /** Means of the evaluation set's target vectors, number by number; empty where it has none. */
  readonly targetMeans: readonly number[];
  /** Positions of a sequence, with a class at each; absent: samples have one class. */
  readonly positions?: number;
  /**
   * Samples [from, to) of the epoch's order, with labels and, where a loss wants them, soft labels, without the
   * teachers `dropped`. @throws TeacherFailure
   */
  trainBatch(epoch: number, from: number, to: number, dropped?: readonly string[]): Promise<MicroBatch>;
  /** Samples [from, to) of the evaluation set, without soft labels. */
  evalBatch(from: number, to: number): Promise<MicroBatch>;
  /** Classes of the teachers that label samples of these alone. */
  readonly specialties: ReadonlyMap<string, readonly number[]>;
  /**
   * Logits by teacher; of those that are no specialists the mixture's log-probabilities, or with target vectors the
   * mean of the logits: [rows x classes] each. Where rows have teachers of their own, the mixture is of those.
   */
  teacherLogits(
    batch: MicroBatch,
    dropped?: readonly string[],
  ): Promise<{ readonly teachers: ReadonlyMap<string, Float32Array>; readonly ensemble: Float32Array }>;
  /** What the bits of a compiled student depend on: library and kind of processor. */
  readonly numerics?: string;
  /** Live tensors of the backend. */
  tensors(): number;
  dispose(): void | Promise<void>;
}

/** A teacher could not label these samples; another machine's copy of it may. */
export class TeacherFailure extends UserError {
  /** @param reason what went wrong, without the teacher's name */
  constructor(
    readonly teacher: string,
    readonly reason: string,
    cause?: unknown,
  ) {
    super(`teacher ${teacher}: ${reason}`, exitCodes.data, cause);
  }
}

/** What was waited for is wanted no more: the run's trainer ends. */
export class WaitEnded extends Error {}

/**
 * Models and data come from files that the link fetches. @throws UserError when an artifact is wrong or cannot be had
 */
export type FetchArtifact = (sha256: string) => Promise<string>;

/** What a worker's command line asks for. */
export interface CommandLine {
  readonly backend?: 'auto' | 'onnx' | 'wasm' | 'native';
  /** Threads of a CPU device. */
  readonly threads?: number;
}

/** What the worker computes with; `open` builds one run's student, teachers and data on it. */
export interface ComputeBackend {
  readonly name: 'wasm' | 'native';
  /** Name of the GPU that computes; null where the CPU does all. */
  readonly gpu: string | null;
  /** What ONNX Runtime computes with. */
  readonly provider: 'cpu' | 'cuda';
  readonly version: string;
  /** Absent: nothing was asked for. */
  readonly commandLine?: CommandLine;
  /** SHA-256 of the plug-ins that are installed, by name. */
  readonly plugins?: Readonly<Record<string, string>>;
  /**
   * @param alive a sign of life while it waits for something else than its device; false: nobody wants the result any
   * more
   */
  open(run: RunDefinition, fetch: FetchArtifact, alive: () => boolean): Promise<RunCompute>;
}
