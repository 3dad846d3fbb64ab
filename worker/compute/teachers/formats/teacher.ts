/**
 * A teacher, and the format that its model is kept in: the seam between an ensemble and the libraries that run models.
 * There is one file for each format beside this one, and ../teacher-formats.ts lists them. A teacher is a frozen model
 * that gives one row of logits (or probabilities) for each sample: it runs in inference mode, learns nothing, and is a
 * pure function of its inputs.
 */
import type { Activation } from '../../../../shared/losses/math/activation.js';
import type { TeacherSpec } from '../../../../shared/protocol/messages.js';
import type { TensorFlow } from '../../backends/backend.js';
import type { Layout } from './layout.js';

/** Asked for only when a teacher needs tfjs, so that a run with ONNX teachers alone never loads it. */
export type OpenTensorFlow = () => Promise<TensorFlow>;

/** The taps that a forward is asked for. */
export type WantedTaps = readonly string[] | 'all';

/** What a teacher's forward gives. */
export interface ForwardResult {
  /** [rows x classes], or of sequences [rows x positions x classes]; an array of its own. */
  readonly output: Float32Array;
  /** Channels last whatever the model's layout, by the names that were asked for. */
  readonly taps: ReadonlyMap<string, Activation>;
}

/** An input of a model. */
export interface ModelInput {
  readonly name: string;
  /** What it takes of one sample, in the model's own layout; null where the model leaves a size open. */
  readonly shape: readonly (number | null)[];
  /** The type of its elements where that takes whole numbers alone; null where it takes any. */
  readonly integerType: string | null;
}

/** What one input of a model is given. */
export interface InputValues {
  readonly values: Float32Array;
  /** Of the values, rows first, in the model's layout. */
  readonly shape: readonly number[];
}

/** An open model of any format, which can be run forward. */
export interface Teacher {
  /** All of its inputs, at least one, in the model's order. */
  readonly inputs: readonly ModelInput[];
  /** The number of rows that the model insists on; null when any will do. */
  readonly fixedRows: number | null;
  /** Numbers in its weights, moving statistics included. */
  readonly parameters: number;
  /**
   * Gives what the model gives for what its inputs are given, which stays as it is, and the taps that are asked for.
   * `all`: every inner value with a row for each sample, from the input to the output. The output has the same bits with
   * taps and without where the library allows it.
   *
   * @param given one of each input, in their order
   * @throws UserError 65 when the model cannot run on it or gives something else, 2 when it has no such tap
   */
  forward(given: readonly InputValues[], taps?: WantedTaps): Promise<ForwardResult>;
  /** Digest of its weights as they are in memory now; null where the library keeps them out of everybody's reach. */
  weightsDigest(): Promise<string | null>;
  /** Frees what it holds in the library's memory. It is not used again. */
  dispose(): Promise<void>;
}

/** What is needed to open a teacher. */
export interface TeacherSource extends Pick<
  TeacherSpec,
  'name' | 'format' | 'signature' | 'outputName' | 'positions' | 'trust' | 'served'
> {
  /** Folder of what served models answered in earlier preparations; absent: no answer is kept. */
  readonly answers?: string | undefined;
  /** Ends what is asked of a server at once. */
  readonly stop?: AbortSignal | undefined;
  /** The model's files by name, the model file first. */
  readonly paths: ReadonlyMap<string, string>;
}

/** What a recipe names as a teacher's model: a file or a folder that is there. */
export interface GivenModel {
  /** The teacher's name, for messages. */
  readonly teacher: string;
  /** The model's path as the recipe has it, for messages. */
  readonly model: string;
  readonly path: string;
  readonly isFolder: boolean;
}

/** One way to keep a model: how it is known by its files, which they are, and how it is opened. */
export interface TeacherFormat {
  /** Its name in a teacher's description, also on the wire. */
  readonly name: string;
  /** What a model of the format is, for messages: `a SavedModel`. */
  readonly title: string;
  /** What a user can name as a model of the format, for messages; null where a file, or a folder, can be none. */
  readonly wanted: { readonly file: string | null; readonly folder: string | null };
  /** Layouts of images, the likelier first: tried in this order where the recipe names none and several fit. */
  readonly layouts: readonly Layout[];
  /** Whether the native backend alone runs it. */
  readonly needsNative: boolean;
  /** Whether a model has several signatures, of which the recipe may name one. */
  readonly hasSignatures: boolean;
  /** Whether its models are computed elsewhere, and asked only when an answer is needed. Default: false. */
  readonly isServed?: true;
  /**
   * The model's files by their names relative to the model file's folder, the model file first; files that it names may
   * be missing. Null where the given file or folder is not of this format.
   *
   * @throws UserError 65 when it is of this format and damaged
   */
  findFiles(given: GivenModel): Promise<ReadonlyMap<string, string> | null>;
  /**
   * The model as the bytes of an ONNX file that takes the same samples, gives the same output and has its taps by the
   * same names, channels last; the same bytes every time. Null for a format whose models stay as they are.
   *
   * @throws NoOnnxForm naming the part of the model that has no form in ONNX; UserError as `open`
   */
  readonly toOnnx: ((source: TeacherSource, openTensorFlow: OpenTensorFlow) => Promise<Uint8Array>) | null;
  /**
   * @throws UserError 65 when the files are wrong, 69 when they need another backend, 2 when the recipe names an input
   * or output that the model lacks, 77 for a model that may do more than compute and is not trusted
   */
  open(source: TeacherSource, openTensorFlow: OpenTensorFlow): Promise<Teacher>;
}
