/**
 * One teacher of an ensemble at work: it is given samples as the data has them, and gives logits in the data's order of
 * classes. Every forward has a fixed number of rows, and now and then a known sample shows that it is as it was when it
 * was opened (canary.ts). It never learns.
 */
import { counted } from '../../../shared/counted.js';
import type { Activation } from '../../../shared/losses/math/activation.js';
import { mustAt } from '../../../shared/must.js';
import type { TeacherSpec } from '../../../shared/protocol/messages.js';
import { TeacherFailure } from '../contract.js';
import { binaryObjection, bothClasses } from './binary.js';
import { canarySample, checkCanary, checkFrozen, type Sighting } from './canary.js';
import { inClassOrder } from './class-order.js';
import { blaming } from './failure.js';
import { TeacherFeed } from './feed.js';
import { forwardInFixedRows } from './fixed-rows.js';
import { tapShapes, type TapShape } from './formats/taps.js';
import { badModel } from './formats/model-errors.js';
import { inputObjection } from './input-check.js';
import type { ForwardResult, OpenTensorFlow, Teacher, WantedTaps } from './formats/teacher.js';
import { logitOf, logOf } from '../../../shared/ensemble/mixture.js';
import { outputObjection } from './output-check.js';
import { openTeacher } from './teacher-formats.js';

/** What all teachers of an ensemble are opened with. */
export interface EnsembleTeacherOptions {
  /** One sample as the data has it, channels last. */
  readonly inputShape: readonly number[];
  /** Rows of the forward of its known sample. */
  readonly rows: number;
  readonly openTensorFlow: OpenTensorFlow;
  /** Folder of what served models answered in earlier preparations; absent: no answer is kept. */
  readonly answers?: string | undefined;
  /** Ends what is asked of a server at once. */
  readonly stop?: AbortSignal | undefined;
  /** Gets one line when the teacher's output looks unlike what its recipe says. */
  readonly warn?: (text: string) => void;
}

/** A micro-batch as all teachers of an ensemble are given it. */
export interface GivenSamples {
  /** [rows x sample], channels last. */
  readonly inputs: Float32Array;
  readonly rows: number;
  /** Rows of every forward, unless the model insists on a number of its own. */
  readonly fixedRows: number;
}

/** What a teacher gives for some samples. */
export interface TaughtLogits {
  /** [rows x classes], or of sequences [rows x positions x classes]; log-probabilities where it gives probabilities. */
  readonly logits_BC: Float32Array;
  /** Channels last, by the tap's name. */
  readonly taps: ReadonlyMap<string, Activation>;
}

/** Forwards between two looks at whether the teacher is as it was. */
const canaryEvery = 256;

/** One open teacher, which answers in the data's order of classes. */
export class EnsembleTeacher {
  readonly spec: TeacherSpec;
  readonly #teacher: Teacher;
  readonly #feed: TeacherFeed;
  readonly #options: EnsembleTeacherOptions;
  /** The teacher as it was when it was opened. */
  #opened: Sighting | null = null;
  #runs = 0;
  #isChecked = false;

  private constructor(spec: TeacherSpec, teacher: Teacher, feed: TeacherFeed, options: EnsembleTeacherOptions) {
    this.spec = spec;
    this.#teacher = teacher;
    this.#feed = feed;
    this.#options = options;
  }

  /**
   * @param files the path of every file of the teacher, by SHA-256
   * @throws UserError 65 when the teacher cannot be loaded or does not fit the samples
   */
  static async open(
    spec: TeacherSpec,
    files: ReadonlyMap<string, string>,
    options: EnsembleTeacherOptions,
  ): Promise<EnsembleTeacher> {
    const paths = new Map(
      spec.files.map((file) => {
        const path = files.get(file.sha256);
        if (path === undefined) throw badModel(spec.name, `its file ${file.name} (${file.sha256}) is missing`);
        return [file.name, path];
      }),
    );
    const { answers, stop } = options;
    const teacher = await openTeacher({ ...spec, paths, answers, stop }, options.openTensorFlow);
    const feed = TeacherFeed.of(spec, options.inputShape, teacher.inputs);
    if (feed !== null) return new EnsembleTeacher(spec, teacher, feed, options);
    const wanted = teacher.inputs.map(({ shape }) => `[${shape.map((dim) => dim ?? 'any').join(', ')}]`).join(', ');
    throw badModel(spec.name, `its samples are ${wanted}; the data's are [${options.inputShape.join(', ')}]`);
  }

  /** Whether its model is computed elsewhere, and first asked when an answer is needed. */
  get isServed(): boolean {
    return this.spec.served !== undefined;
  }

  /**
   * Runs the teacher on its known sample.
   *
   * @throws UserError 65 when it gives something else than where the run was prepared, or than at its opening
   */
  async askCanary(): Promise<void> {
    const { name, canary } = this.spec;
    const { output } = await this.#forward(canarySample(name, this.#feed), 1, { fixedRows: this.#options.rows });
    const found = { output, weights: await this.#teacher.weightsDigest() };
    // A server may compute several requests together, with other last bits.
    if (this.#opened !== null && !this.isServed) checkFrozen(name, found, this.#opened);
    else if (canary !== undefined) checkCanary(name, output, canary);
    this.#opened = found;
  }

  /**
   * @throws TeacherFailure when it cannot run, gives what is no number, or is not as it was
   * @throws UserError 69 or 77 for a server that cannot be reached, or refuses
   */
  run({ inputs, rows, fixedRows }: GivenSamples, taps?: readonly string[]): Promise<TaughtLogits> {
    return blaming({ name: this.spec.name, isServed: this.isServed }, async () => {
      if (++this.#runs % canaryEvery === 0 || this.#opened === null) await this.askCanary();
      const { output, classMap, isBinary } = this.spec;
      const raw = await this.#forward(inputs, rows, { fixedRows, taps });
      this.#checkOnce({ inputs, rows }, raw.output);
      const whole = isBinary === true ? bothClasses(raw.output, output) : raw.output;
      const ordered = classMap === undefined ? whole : inClassOrder(whole, classMap.outputs, classMap.order);
      return { logits_BC: this.#finite(asLogits(output, ordered)), taps: raw.taps };
    });
  }

  /** Shapes of the wanted taps, of `all` from the input to the output. @throws UserError 2 for an unknown tap */
  tapShapes(wanted: WantedTaps): Promise<TapShape[]> {
    return tapShapes(this.#teacher, (rows) => this.#feed.ofZeros(rows), wanted);
  }

  dispose(): Promise<void> {
    return this.#teacher.dispose();
  }

  async #forward(
    inputs: Float32Array,
    rows: number,
    { fixedRows, taps }: { readonly fixedRows: number; readonly taps?: readonly string[] | undefined },
  ): Promise<ForwardResult> {
    const { name, classes, classMap, isBinary, positions = 1 } = this.spec;
    const result = await forwardInFixedRows(this.#teacher, inputs, {
      rows,
      feed: this.#feed,
      fixedRows,
      ...(taps === undefined ? {} : { taps }),
    });
    const outputs = isBinary === true ? 1 : (classMap?.outputs ?? classes);
    if (result.output.length === rows * positions * outputs) return result;
    throw badModel(name, `it gives ${counted(result.output.length / rows / positions, 'class')}; wanted ${outputs}`);
  }

  #checkOnce({ inputs, rows }: Pick<GivenSamples, 'inputs' | 'rows'>, raw: Float32Array): void {
    if (this.#isChecked) return;
    this.#isChecked = true;
    const fed = this.#feed.of(inputs, rows);
    const { name, output, classes, classMap, isBinary } = this.spec;
    const texts = [
      ...this.#teacher.inputs.map(({ integerType }, i) => inputObjection(integerType, mustAt(fed, i, 'input').values)),
      isBinary === true ? binaryObjection(raw, output) : outputObjection(output, raw, classMap?.outputs ?? classes),
    ];
    for (const text of texts) if (text !== null) this.#options.warn?.(`teacher ${name}: ${text}`);
  }

  #finite(logits_BC: Float32Array): Float32Array {
    const at = logits_BC.findIndex((value) => !Number.isFinite(value));
    if (at < 0) return logits_BC;
    throw new TeacherFailure(this.spec.name, `it gives ${logits_BC[at]}; a finite number wanted`);
  }
}

/**
 * Logs of probabilities are logits as well; probabilities of labels that do not exclude each other have logits of their
 * own.
 */
function asLogits(output: TeacherSpec['output'], values: Float32Array): Float32Array {
  if (output === 'logits') return values;
  return output === 'probabilities' ? logOf(values) : logitOf(values);
}
