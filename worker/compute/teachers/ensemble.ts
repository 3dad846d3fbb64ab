/**
 * The teachers of a run, run together. Every forward has one fixed number of rows, padded: libraries choose other
 * kernels for other batch sizes, so a row's bits would else depend on how many neighbours it has. With it, labels that
 * are computed live and labels that were kept are the same bits.
 *
 * Teachers run one after the other, in the recipe's order: each of them computes on the thread that calls it.
 */
import { UserError } from '../../../shared/errors.js';
import { ensembleDigest, isRouted, type EnsembleForm } from '../../../shared/labels/ensemble-digest.js';
import type { TeacherSpec } from '../../../shared/protocol/messages.js';
import { forwardInFixedRows, pickRows } from './fixed-rows.js';
import type { Activation } from '../../../shared/losses/math/activation.js';
import { feedShape, toChannelsFirst } from './formats/layout.js';
import { logitOf, logOf, meanLogits, mix, normaliseWeights, type TeacherOutput } from './mixture.js';
import { openTeacher } from './teacher-formats.js';
import { TeacherFailure } from '../contract.js';
import { blaming } from './failure.js';
import { canarySample, checkCanary, checkFrozen, type Sighting } from './canary.js';
import { inClassOrder } from './class-order.js';
import { rescale } from './preprocess.js';
import { teachersOf, type SampleView } from './routing.js';
import { tapShapes, type TapShape } from './formats/taps.js';
import { badModel, type ForwardResult, type OpenTensorFlow, type Teacher, type WantedTaps } from './formats/teacher.js';

export interface EnsembleOptions extends EnsembleForm {
  readonly openTensorFlow: OpenTensorFlow;
  /** Of a mixture that is asked for without one, for teachers without one of their own; default 1. */
  readonly temperature?: number | undefined;
  /** Gets one line when a teacher's output looks unlike what its recipe says. */
  readonly warn?: (text: string) => void;
}

/** Names of taps by teacher. */
export type TapsByTeacher = ReadonlyMap<string, readonly string[]>;

export interface RunOptions {
  readonly taps: TapsByTeacher;
  /** Names of the teachers that are run; default: all. */
  readonly only?: readonly string[] | undefined;
}

export interface EnsembleResult {
  readonly logits: Map<string, Float32Array>;
  /** By `teacher/tap`; channels last. */
  readonly taps: Map<string, Activation>;
}

/** Forwards between two looks at whether the teachers are as they were. */
const canaryEvery = 256;

interface Member {
  readonly spec: TeacherSpec;
  readonly teacher: Teacher;
  /** Its share of a sample's label, where it may be any sample; 0: none. */
  readonly weight: number;
  readonly sampleShape: readonly number[];
}

export class Ensemble {
  /** Names the mixture: models, weights, temperatures, form and rows. Labels with another digest are other labels. */
  readonly digest: string;
  readonly #members: readonly Member[];
  readonly #options: EnsembleOptions;
  readonly #checked = new Set<string>();
  /** Each teacher as it was when it was opened. */
  readonly #opened = new Map<string, Sighting>();
  /** By teacher. */
  readonly #runs = new Map<string, number>();

  private constructor(members: readonly Member[], options: EnsembleOptions) {
    this.#members = members;
    this.#options = options;
    this.digest = ensembleDigest(
      members.map((member) => member.spec),
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
    const weights = sharesOf(teachers);
    if (weights === null) throw new UserError('teachers: all weights are 0; wanted at least one above 0');
    const members: Member[] = [];
    for (const [i, spec] of teachers.entries()) members.push(await openMember(spec, weights[i] ?? 0, files, options));
    const ensemble = new Ensemble(members, options);
    for (const member of members) await ensemble.#askCanary(member);
    return ensemble;
  }

  /**
   * The same teachers but for these, the weights of the others normalised: as if it had been opened without them, in
   * `form`.
   */
  without(dropped: readonly string[], form: EnsembleForm): Ensemble {
    const left = this.#members.filter(({ spec }) => !dropped.includes(spec.name));
    const weights = sharesOf(left.map(({ spec }) => spec));
    if (weights === null)
      throw new UserError(`teachers: without ${dropped.join(', ')} no weight is above 0; wanted at least one`);
    const ensemble = new Ensemble(
      left.map((member, i) => ({ ...member, weight: weights[i] ?? 0 })),
      { ...this.#options, ...form },
    );
    for (const [name, found] of this.#opened) ensemble.#opened.set(name, found);
    return ensemble;
  }

  get classes(): number {
    return this.#members[0]?.spec.classes ?? 0;
  }

  /** Numbers that a sample's label has: of a sequence the classes of each position. */
  get #width(): number {
    return this.classes * (this.#members[0]?.spec.positions ?? 1);
  }

  /** Log-probabilities of the mixture, [rows x classes]. `inputs` is [rows x sample], channels last. */
  async softLabels(inputs: Float32Array, rows: number): Promise<Float32Array> {
    return this.mixture(
      (
        await this.#run(
          this.#members.filter((member) => member.weight > 0),
          inputs,
          rows,
        )
      ).logits,
    );
  }

  /** Each teacher's logits by its name, [rows x classes]; log-probabilities where it gives probabilities. */
  async logits(inputs: Float32Array, rows: number): Promise<Map<string, Float32Array>> {
    return (await this.#run(this.#members, inputs, rows)).logits;
  }

  /** Logits as `logits` gives them and the taps that are asked for, from one forward of each teacher. */
  run(inputs: Float32Array, rows: number, { taps, only }: RunOptions): Promise<EnsembleResult> {
    return this.#run(
      this.#members.filter(({ spec }) => only?.includes(spec.name) ?? true),
      inputs,
      rows,
      taps,
    );
  }

  /**
   * Shapes of a teacher's taps, of `all` in their order from the input to the output. @throws UserError 2 for an
   * unknown tap
   */
  async tapShapes(teacher: string, wanted: WantedTaps): Promise<TapShape[]> {
    const member = this.#members.find(({ spec }) => spec.name === teacher);
    if (member === undefined)
      throw new UserError(
        `tap ${teacher}/...: there is no teacher "${teacher}"; there are ${this.#members.map(({ spec }) => spec.name).join(', ')}`,
      );
    return tapShapes(member.teacher, member.sampleShape, wanted);
  }

  /**
   * The mixture of what `logits` gave, as log-probabilities; at `temperature` for teachers without one of their own.
   */
  mixture(logits: ReadonlyMap<string, Float32Array>, temperature = this.#options.temperature ?? 1): Float32Array {
    return mix(this.#options.combine, this.#outputs(logits, temperature), this.classes);
  }

  /** The weighted mean of what `logits` gave, [rows x classes]. */
  mean(logits: ReadonlyMap<string, Float32Array>): Float32Array {
    return meanLogits(this.#outputs(logits, 1));
  }

  /**
   * Labels by name, [rows x classes] each, from one forward of each teacher: `T=4` (log-probabilities of the mixture),
   * `logits` (the weighted mean of the raw ones), `teacher:NAME` (its logits). Where teachers label some samples only,
   * of no single teacher.
   */
  async labels(
    names: readonly string[],
    inputs: Float32Array,
    samples: readonly SampleView[],
  ): Promise<Map<string, Float32Array>> {
    if (
      isRouted(
        this.#members.map(({ spec }) => spec),
        this.#options.subset,
      )
    )
      return this.#routed(names, inputs, samples);
    const wanted = this.#members.filter(({ spec, weight }) => weight > 0 || names.includes(`teacher:${spec.name}`));
    const { logits } = await this.#run(wanted, inputs, samples.length);
    return new Map(names.map((name) => [name, this.#label(name, logits)]));
  }

  async dispose(): Promise<void> {
    for (const { teacher } of this.#members) await teacher.dispose();
  }

  /** Each teacher is run on its own samples alone; a sample's label is the mixture of its teachers. */
  async #routed(
    names: readonly string[],
    inputs: Float32Array,
    samples: readonly SampleView[],
  ): Promise<Map<string, Float32Array>> {
    const specs = this.#members.map(({ spec }) => spec);
    const chosen = samples.map((sample) => teachersOf(sample, specs, this.#options.subset));
    const outputs = samples.map((): { logits_BC: Float32Array; spec: TeacherSpec }[] => []);
    for (const [i, member] of this.#members.entries()) {
      const rows = chosen.flatMap((teachers, row) => (teachers.includes(i) ? [row] : []));
      if (rows.length === 0) continue;
      const { logits } = await this.#run([member], pickRows(inputs, samples.length, rows), rows.length);
      const own_BC = logits.get(member.spec.name) ?? new Float32Array(0);
      rows.forEach((row, at) =>
        outputs[row]?.push({ logits_BC: own_BC.subarray(at * this.#width, (at + 1) * this.#width), spec: member.spec }),
      );
    }
    return new Map(names.map((name) => [name, this.#labelRows(name, outputs)]));
  }

  #labelRows(
    name: string,
    outputs: readonly (readonly { logits_BC: Float32Array; spec: TeacherSpec }[])[],
  ): Float32Array {
    if (name.startsWith('teacher:')) throw new RangeError(`labels ${name}: it labels some samples only`);
    const out_BC = new Float32Array(outputs.length * this.#width);
    outputs.forEach((teachers, row) => {
      const weights = normaliseWeights(teachers.map(({ spec }) => spec.weight)) ?? [];
      out_BC.set(
        this.#combined(name, (temperature) =>
          teachers.map(({ logits_BC, spec }, i) => ({
            logits_BC,
            weight: weights[i] ?? 0,
            temperature: spec.temperature ?? temperature,
          })),
        ),
        row * this.#width,
      );
    });
    return out_BC;
  }

  /** The ensemble's label of that name, of what its teachers give. */
  #combined(name: string, outputs: (temperature: number) => TeacherOutput[]): Float32Array {
    return name === 'logits'
      ? meanLogits(outputs(1))
      : mix(this.#options.combine, outputs(Number(name.slice('T='.length))), this.classes);
  }

  #label(name: string, logits: ReadonlyMap<string, Float32Array>): Float32Array {
    if (!name.startsWith('teacher:')) return this.#combined(name, (temperature) => this.#outputs(logits, temperature));
    const found = logits.get(name.slice('teacher:'.length));
    if (found === undefined) throw new RangeError(`labels ${name}: the ensemble has no such teacher`);
    return found;
  }

  #outputs(logits: ReadonlyMap<string, Float32Array>, temperature: number): TeacherOutput[] {
    return this.#members.flatMap(({ spec, weight }) => {
      const logits_BC = logits.get(spec.name);
      return logits_BC === undefined ? [] : [{ logits_BC, weight, temperature: spec.temperature ?? temperature }];
    });
  }

  /**
   * @throws UserError 65 when a teacher gives something else than where the run was prepared, or than at its opening
   */
  async #askCanary(member: Member): Promise<void> {
    const { name, canary } = member.spec;
    const { output } = await this.#forward(member, canarySample(name, member.sampleShape), 1, undefined);
    const found = { output, weights: await member.teacher.weightsDigest() };
    const before = this.#opened.get(name);
    if (before !== undefined) checkFrozen(name, found, before);
    else if (canary !== undefined) checkCanary(name, output, canary);
    this.#opened.set(name, found);
  }

  /** @throws TeacherFailure for a teacher that cannot run, gives what is no number, or is not as it was */
  async #run(
    members: readonly Member[],
    inputs: Float32Array,
    rows: number,
    taps: TapsByTeacher = new Map(),
  ): Promise<EnsembleResult> {
    const turned = members.some((member) => member.spec.layout === 'nchw')
      ? toChannelsFirst(inputs, this.#options.inputShape)
      : inputs;
    const logits = new Map<string, Float32Array>();
    const activations = new Map<string, Activation>();
    for (const member of members) {
      const { name, layout, output, rescale: own, classMap } = member.spec;
      const runs = (this.#runs.get(name) ?? 0) + 1;
      this.#runs.set(name, runs);
      if (runs % canaryEvery === 0) await blaming(name, () => this.#askCanary(member));
      const given = own === undefined ? inputs : rescale(inputs, own);
      const forward = await blaming(name, () =>
        this.#forward(
          member,
          layout !== 'nchw' ? given : own === undefined ? turned : toChannelsFirst(given, this.#options.inputShape),
          rows,
          taps.get(name),
        ),
      );
      this.#checkOnce(member.spec, forward.output);
      const ordered =
        classMap === undefined ? forward.output : inClassOrder(forward.output, classMap.outputs, classMap.order);
      logits.set(name, finite(name, asLogits(output, ordered)));
      for (const [tap, activation] of forward.taps) activations.set(`${name}/${tap}`, activation);
    }
    return { logits, taps: activations };
  }

  async #forward(
    { spec, teacher, sampleShape }: Member,
    inputs: Float32Array,
    rows: number,
    taps: readonly string[] | undefined,
  ): Promise<ForwardResult> {
    const wanted = taps === undefined ? {} : { taps };
    const result = await forwardInFixedRows(teacher, inputs, {
      rows,
      sampleShape,
      fixedRows: this.#options.rows,
      ...wanted,
    });
    const outputs = spec.classMap?.outputs ?? spec.classes;
    const { positions = 1 } = spec;
    if (result.output.length === rows * positions * outputs) return result;
    throw badModel(spec.name, `it gives ${result.output.length / rows / positions} classes; wanted ${outputs}`);
  }

  #checkOnce(spec: TeacherSpec, raw: Float32Array): void {
    if (this.#checked.has(spec.name)) return;
    this.#checked.add(spec.name);
    const text = objectionTo(spec.output, raw, spec.classMap?.outputs ?? spec.classes);
    if (text !== null) this.#options.warn?.(`teacher ${spec.name}: ${text}`);
  }
}

/**
 * Logs of probabilities are logits as well; those of labels that do not exclude each other have logits of their own.
 */
function asLogits(output: TeacherSpec['output'], values: Float32Array): Float32Array {
  if (output === 'logits') return values;
  return output === 'probabilities' ? logOf(values) : logitOf(values);
}

/** Shares of the label of a sample that any teacher may label: none for a specialist. Null when all are 0. */
function sharesOf(teachers: readonly Pick<TeacherSpec, 'weight' | 'specialist'>[]): number[] | null {
  return normaliseWeights(teachers.map(({ weight, specialist }) => (specialist === undefined ? weight : 0)));
}

function finite(teacher: string, logits_BC: Float32Array): Float32Array {
  const at = logits_BC.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return logits_BC;
  throw new TeacherFailure(teacher, `it gives ${logits_BC[at]}; a finite number wanted`);
}

async function openMember(
  spec: TeacherSpec,
  weight: number,
  files: ReadonlyMap<string, string>,
  options: EnsembleOptions,
): Promise<Member> {
  const paths = new Map(
    spec.files.map((file) => {
      const path = files.get(file.sha256);
      if (path === undefined) throw badModel(spec.name, `its file ${file.name} (${file.sha256}) is missing`);
      return [file.name, path];
    }),
  );
  const teacher = await openTeacher({ ...spec, paths }, options.openTensorFlow);
  const sampleShape = feedShape(teacher.sampleShape, options.inputShape, spec.layout);
  if (sampleShape !== null) return { spec, teacher, weight, sampleShape };
  throw badModel(
    spec.name,
    `its samples are [${teacher.sampleShape.join(', ')}]; the data's are [${options.inputShape.join(', ')}]`,
  );
}

/** What is odd about a teacher's output, given what the recipe says that it is; null for nothing. */
export function objectionTo(output: TeacherSpec['output'], raw_BC: Float32Array, classes: number): string | null {
  if (!raw_BC.every(Number.isFinite)) return 'its output is not finite';
  if (output === 'independent')
    return raw_BC.every((value) => value >= 0 && value <= 1)
      ? null
      : 'its outputs are not all from 0 to 1, so it gives no probabilities; remove "output: probabilities" from the recipe';
  const looksLikeProbabilities =
    raw_BC.every((value) => value >= 0) && rowSums(raw_BC, classes).every((sum) => Math.abs(sum - 1) < 1e-3);
  if (output === 'logits' && looksLikeProbabilities)
    return 'its rows sum to 1, so it gives probabilities; if it does, add "output: probabilities" to the recipe';
  if (output === 'probabilities' && !looksLikeProbabilities)
    return 'its rows do not sum to 1, so it gives no probabilities; remove "output: probabilities" from the recipe';
  return null;
}

function rowSums(values_BC: Float32Array, classes: number): number[] {
  return Array.from({ length: values_BC.length / classes }, (_, row) =>
    values_BC.subarray(row * classes, (row + 1) * classes).reduce((a, b) => a + b, 0),
  );
}
