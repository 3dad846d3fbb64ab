/**
 * The teachers of a run, run together. Every forward has one fixed number of rows, padded: libraries choose other
 * kernels for other batch sizes, so a row's bits would else depend on how many neighbours it has. With it, labels that
 * are computed live and labels that were kept are the same bits.
 *
 * Teachers run one after the other, in the recipe's order: each of them computes on the thread that calls it.
 *
 * Legend: B rows, C classes.
 */
import { UserError } from '../../../shared/errors.js';
import { ensembleDigest, isRouted, type EnsembleForm } from '../../../shared/labels/ensemble-digest.js';
import { labelKey, type Label } from '../../../shared/labels/kinds.js';
import type { Activation } from '../../../shared/losses/math/activation.js';
import { must, mustAt } from '../../../shared/must.js';
import type { TeacherSpec } from '../../../shared/protocol/messages.js';
import { pickRows } from './fixed-rows.js';
import type { TapShape } from './formats/taps.js';
import type { OpenTensorFlow, WantedTaps } from './formats/teacher.js';
import { EnsembleTeacher } from './ensemble-teacher.js';
import {
  blend,
  mixed,
  normalisedOrZero,
  normaliseWeights,
  type EnsembleLabel,
  type WeightedLogits,
} from '../../../shared/ensemble/mixture.js';
import { teachersOf, type SampleView } from './routing.js';

/** How teachers are opened and combined. */
export interface EnsembleOptions extends EnsembleForm {
  readonly openTensorFlow: OpenTensorFlow;
  /** Folder of what served models answered in earlier preparations; absent: no answer is kept. */
  readonly answers?: string | undefined;
  /** Ends what is asked of a server at once. */
  readonly stop?: AbortSignal | undefined;
  /** Temperature of a mixture that is asked for without one, for teachers without one of their own; default 1. */
  readonly temperature?: number | undefined;
  /** Gets one line when a teacher's output looks unlike what its recipe says. */
  readonly warn?: (text: string) => void;
}

/** Names of taps by teacher. */
export type TapsByTeacher = ReadonlyMap<string, readonly string[]>;

/** Which teachers are run, and which of their taps are wanted. */
export interface WantedForwards {
  readonly taps: TapsByTeacher;
  /** Names of the teachers that are run; default: all. */
  readonly only?: readonly string[] | undefined;
}

/** What the teachers that were run gave. */
export interface EnsembleResult {
  /** [rows x classes] each, by teacher, in the recipe's order. */
  readonly logits: Map<string, Float32Array>;
  /** Activations by `teacher/tap`, channels last. */
  readonly taps: Map<string, Activation>;
}

/** What a teacher gave of one sample. */
interface NamedLogits extends WeightedLogits {
  readonly name: string;
}

/** A teacher, and its share of the label of a sample that any teacher may label; 0: it has none. */
interface Part {
  readonly teacher: EnsembleTeacher;
  readonly share: number;
}

/** The open teachers of a run, which label samples together. */
export class Ensemble {
  /** Names the mixture: models, weights, temperatures, form and rows. Labels with another digest are other labels. */
  readonly digest: string;
  readonly classes: number;
  readonly #parts: readonly Part[];
  readonly #options: EnsembleOptions;
  /** Numbers that a sample's label has: of a sequence the classes of each position. */
  readonly #width: number;

  private constructor(opened: readonly EnsembleTeacher[], shares: readonly number[], options: EnsembleOptions) {
    const [first] = opened;
    if (first === undefined) throw new Error('an ensemble without teachers');
    const { classes, positions = 1 } = first.spec;
    this.classes = classes;
    this.#width = classes * positions;
    this.#parts = opened.map((teacher, i) => ({ teacher, share: mustAt(shares, i, 'share') }));
    this.#options = options;
    this.digest = ensembleDigest(
      opened.map(({ spec }) => spec),
      options,
    );
  }

  /**
   * @param files the path of every file of every teacher, by SHA-256
   * @throws UserError 65 when a teacher cannot be loaded or does not fit the samples, 2 when no weight of one that
   * labels any sample is above 0
   */
  static async open(
    teachers: readonly TeacherSpec[],
    files: ReadonlyMap<string, string>,
    options: EnsembleOptions,
  ): Promise<Ensemble> {
    const shares = sharesOf(teachers);
    if (shares === null) throw new UserError('teachers: all weights are 0; wanted at least one above 0');
    const opened: EnsembleTeacher[] = [];
    for (const spec of teachers) opened.push(await EnsembleTeacher.open(spec, files, options));
    for (const teacher of opened) if (!teacher.isServed) await teacher.askCanary();
    return new Ensemble(opened, shares, options);
  }

  /**
   * The same teachers but for the dropped ones, the weights of the others normalised: as if it had been opened without
   * them, in `form`.
   *
   * @throws UserError 2 when no weight that is left is above 0
   */
  without(dropped: readonly string[], form: EnsembleForm): Ensemble {
    const left = this.#teachers.filter(({ spec }) => !dropped.includes(spec.name));
    const shares = sharesOf(left.map(({ spec }) => spec));
    if (shares === null)
      throw new UserError(`teachers: without ${dropped.join(', ')} no weight is above 0; wanted at least one`);
    return new Ensemble(left, shares, { ...this.#options, ...form });
  }

  /** Log-probabilities of the mixture, [rows x classes]. `inputs` is [rows x sample], channels last. */
  async softLabels(inputs: Float32Array, rows: number): Promise<Float32Array> {
    const sharing = this.#parts.filter(({ share }) => share > 0).map(({ teacher }) => teacher);
    return this.mixture((await this.#run(sharing, inputs, rows)).logits);
  }

  /** Each teacher's logits by its name, [rows x classes]; log-probabilities where it gives probabilities. */
  async logits(inputs: Float32Array, rows: number): Promise<Map<string, Float32Array>> {
    return (await this.#run(this.#teachers, inputs, rows)).logits;
  }

  /** Logits as `logits` gives them and the taps that are asked for, from one forward of each teacher. */
  run(inputs: Float32Array, rows: number, { taps, only }: WantedForwards): Promise<EnsembleResult> {
    const wanted = this.#teachers.filter(({ spec }) => only?.includes(spec.name) ?? true);
    return this.#run(wanted, inputs, rows, taps);
  }

  /**
   * Shapes of a teacher's taps, of `all` in their order from the input to the output. @throws UserError 2 for an
   * unknown teacher or tap
   */
  async tapShapes(name: string, wanted: WantedTaps): Promise<TapShape[]> {
    const teacher = this.#teachers.find(({ spec }) => spec.name === name);
    if (teacher === undefined)
      throw new UserError(
        `tap ${name}/...: there is no teacher "${name}"; there are ${this.#teachers.map(({ spec }) => spec.name).join(', ')}`,
      );
    return teacher.tapShapes(wanted);
  }

  /** The mixture of what `logits` gave, as log-probabilities; at `temperature` for teachers without one of their own. */
  mixture(logits: ReadonlyMap<string, Float32Array>, temperature = this.#options.temperature ?? 1): Float32Array {
    return this.#blend({ kind: 'mixture', temperature }, this.#weighted(logits));
  }

  /**
   * The same where each sample has teachers of its own, whose weights are normalised among them.
   *
   * @param routes names of the teachers of each row
   */
  routedMixture(logits: ReadonlyMap<string, Float32Array>, routes: readonly (readonly string[])[]): Float32Array {
    const { temperature = 1 } = this.#options;
    return this.#byRoute({ kind: 'mixture', temperature }, logits, routes);
  }

  /** The weighted mean in place of the mixture, of the teachers that each sample has. */
  routedMean(logits: ReadonlyMap<string, Float32Array>, routes: readonly (readonly string[])[]): Float32Array {
    return this.#byRoute({ kind: 'logits' }, logits, routes);
  }

  #byRoute(
    label: EnsembleLabel,
    logits: ReadonlyMap<string, Float32Array>,
    routes: readonly (readonly string[])[],
  ): Float32Array {
    return mixed(label, (teacher) => logits.get(teacher), {
      combine: this.#options.combine,
      classes: this.classes,
      by: this.#options.by,
      teachers: this.#teachers.map(({ spec }) => spec),
      routes_B: routes,
    });
  }

  /** The weighted mean of what `logits` gave, [rows x classes]. */
  mean(logits: ReadonlyMap<string, Float32Array>): Float32Array {
    return this.#blend({ kind: 'logits' }, this.#weighted(logits));
  }

  /**
   * Labels by their keys (`labelKey`), [rows x classes] each, from one forward of each teacher that they need.
   *
   * @throws RangeError for the label of a single teacher where teachers label some samples only, or where the ensemble
   * has no such teacher
   */
  async labels(
    labels: readonly Label[],
    inputs: Float32Array,
    samples: readonly SampleView[],
  ): Promise<Map<string, Float32Array>> {
    const specs = this.#teachers.map(({ spec }) => spec);
    const isByColumn = samples.some(({ teachers }) => teachers !== undefined);
    if (isRouted(specs, this.#options.subset) || (isByColumn && labels.some(({ kind }) => kind !== 'teacher')))
      return this.#routed(labels, inputs, samples);
    const asked = new Set(labels.flatMap((label) => (label.kind === 'teacher' ? [label.teacher] : [])));
    const isMixed = labels.some(({ kind }) => kind !== 'teacher');
    const wanted = this.#parts.filter(({ teacher, share }) => (isMixed && share > 0) || asked.has(teacher.spec.name));
    const { logits } = await this.#run(
      wanted.map(({ teacher }) => teacher),
      inputs,
      samples.length,
    );
    return new Map(labels.map((label) => [labelKey(label), this.#labelOf(label, logits)]));
  }

  async dispose(): Promise<void> {
    for (const teacher of this.#teachers) await teacher.dispose();
  }

  get #teachers(): readonly EnsembleTeacher[] {
    return this.#parts.map(({ teacher }) => teacher);
  }

  /** Each teacher is run on its own samples alone; a sample's label is the mixture of its teachers. */
  async #routed(
    labels: readonly Label[],
    inputs: Float32Array,
    samples: readonly SampleView[],
  ): Promise<Map<string, Float32Array>> {
    const specs = this.#teachers.map(({ spec }) => spec);
    const chosen = samples.map((sample) => teachersOf(sample, specs, this.#options.subset));
    const outputs = samples.map((): NamedLogits[] => []);
    for (const [i, teacher] of this.#teachers.entries()) {
      const rows = chosen.flatMap((teachers, row) => (teachers.includes(i) ? [row] : []));
      if (rows.length === 0) continue;
      const { logits } = await this.#run([teacher], pickRows(inputs, samples.length, rows), rows.length);
      const { name, weight, temperature } = teacher.spec;
      const own_BC = must(logits, name, 'logits');
      rows.forEach((row, at) =>
        outputs[row]?.push({ name, logits_BC: rowOf(own_BC, at, this.#width), weight, temperature }),
      );
    }
    return new Map(labels.map((label) => [labelKey(label), this.#labelsOfRows(label, outputs)]));
  }

  #labelsOfRows(label: Label, outputs: readonly (readonly NamedLogits[])[]): Float32Array {
    if (label.kind === 'teacher') throw new RangeError(`labels ${labelKey(label)}: it labels some samples only`);
    const out_BC = new Float32Array(outputs.length * this.#width);
    outputs.forEach((teachers, row) => out_BC.set(this.#blend(label, normalised(teachers)), row * this.#width));
    return out_BC;
  }

  #labelOf(label: Label, logits: ReadonlyMap<string, Float32Array>): Float32Array {
    if (label.kind !== 'teacher') return this.#blend(label, this.#weighted(logits));
    const found = logits.get(label.teacher);
    if (found === undefined) throw new RangeError(`labels ${labelKey(label)}: the ensemble has no such teacher`);
    return found;
  }

  #blend(label: EnsembleLabel, outputs: readonly WeightedLogits[]): Float32Array {
    const { combine, by } = this.#options;
    return blend(label, outputs, { combine, classes: this.classes, by });
  }

  /** The logits that these teachers gave, with their shares. */
  #weighted(logits: ReadonlyMap<string, Float32Array>): WeightedLogits[] {
    return this.#parts.flatMap(({ teacher: { spec }, share }) => {
      const logits_BC = logits.get(spec.name);
      return logits_BC === undefined ? [] : [{ logits_BC, weight: share, temperature: spec.temperature }];
    });
  }

  /** @throws TeacherFailure for a teacher that cannot run, gives what is no number, or is not as it was */
  async #run(
    teachers: readonly EnsembleTeacher[],
    inputs: Float32Array,
    rows: number,
    taps: TapsByTeacher = new Map(),
  ): Promise<EnsembleResult> {
    const { rows: fixedRows } = this.#options;
    const result: EnsembleResult = { logits: new Map(), taps: new Map() };
    for (const teacher of teachers) {
      const { name } = teacher.spec;
      const given = await teacher.run({ inputs, rows, fixedRows }, taps.get(name));
      result.logits.set(name, given.logits_BC);
      for (const [tap, activation] of given.taps) result.taps.set(`${name}/${tap}`, activation);
    }
    return result;
  }
}

/** Shares of the label of a sample that any teacher may label: none for a specialist. Null when all are 0. */
function sharesOf(teachers: readonly Pick<TeacherSpec, 'weight' | 'specialist'>[]): number[] | null {
  return normaliseWeights(teachers.map(({ weight, specialist }) => (specialist === undefined ? weight : 0)));
}

/** The teachers of one sample, their weights scaled so that they sum to 1. */
function normalised(teachers: readonly WeightedLogits[]): WeightedLogits[] {
  const weights = normalisedOrZero(teachers.map(({ weight }) => weight));
  return teachers.map((teacher, i) => ({ ...teacher, weight: mustAt(weights, i, 'weight') }));
}

function rowOf(values: Float32Array, row: number, width: number): Float32Array {
  return values.subarray(row * width, (row + 1) * width);
}
