/**
 * Looks at a run's teachers on some of its training samples before anything is made of their labels: whether they say
 * different things of different samples, whether they are better than chance where labels tell, and whether one of them
 * rules the ensemble. What is odd is said; a teacher at chance level ends the preparation where no evaluation before
 * step 1 would.
 */
import type { PreparedRun } from '../../coordinator/plan/prepared-run.js';
import {
  describeTeachers,
  guessersIn,
  orAllowed,
  weakEnsemble,
  type TeachersEvaluation,
} from '../../coordinator/reports/teacher-check.js';
import { Samples, type Batch } from '../../shared/data/samples.js';
import { exitCodes, UserError } from '../../shared/errors.js';
import { constantAnswer } from '../../shared/figures/constant-answers.js';
import type { GroundTruth } from '../../shared/figures/task-figures.js';
import { figuresByTask } from '../../shared/figures/tasks.js';
import { ensembleFormOf } from '../../shared/labels/ensemble-digest.js';
import { atWork } from '../../shared/long-work.js';
import { must } from '../../shared/must.js';
import { randomStream, shuffle } from '../../shared/random.js';
import { baseTemperature } from '../../shared/recipe/terms.js';
import { hasVectors, taskOf } from '../../shared/task.js';
import { TeacherFailure } from '../../worker/compute/contract.js';
import { Ensemble } from '../../worker/compute/teachers/ensemble.js';
import { smallestProbability } from '../../shared/ensemble/mixture.js';
import { formatNamed } from '../../worker/compute/teachers/teacher-formats.js';
import { answersFolder } from './served-teacher.js';
import { nativeFor } from './teachers.js';
import { openWasmTensorFlow } from './tensorflow.js';

export interface LookOptions {
  /** Whether the teachers are judged by the labels here; false: the run will, on its evaluation set. */
  readonly isJudged: boolean;
  readonly warn: (line: string) => void;
  readonly say: (line: string) => void;
}

/** Samples that are looked at, and how many more where a teacher seems to guess by those. */
const [fewSamples, manySamples] = [64, 1024];

/**
 * Looks at the teachers of a run that is prepared.
 * @throws UserError 65 for a teacher at chance level, unless the recipe allows it
 */
export async function lookAtTeachers(run: PreparedRun, options: LookOptions): Promise<void> {
  if (run.teachers.length === 0) return;
  const look = await Look.open(run, options.warn);
  try {
    await look.take(fewSamples);
    if (options.isJudged && guessersIn(look.evaluation()) !== null) await look.take(manySamples);
    look.oddities().forEach(options.warn);
    const evaluation = look.evaluation();
    const text = describeTeachers(evaluation);
    if (text !== null && options.isJudged) options.say(text);
    const problem = options.isJudged ? guessersIn(evaluation) : null;
    if (problem === null) return;
    if (!run.recipe.ensemble.allowChance) throw new UserError(`${problem}${orAllowed}`, exitCodes.data);
    options.warn(problem);
  } finally {
    await look.close();
  }
}

/** Whether a run evaluates its teachers before step 1, and so judges them better than a look can. */
export function judgesTeachers({ recipe, manifest }: PreparedRun): boolean {
  if (manifest.eval === null || recipe.labels.wait) return false;
  const { eval: source } = recipe.data;
  return hasVectors(taskOf(recipe)) ? manifest.eval.targets !== undefined : source?.labels !== undefined;
}

/** What was given of the samples so far, row after row. */
interface Answers {
  readonly teachers: Map<string, Float32Array[]>;
  readonly ensemble: Float32Array[];
  readonly labels: Int32Array[];
  readonly vectors: Float32Array[];
}

class Look {
  readonly #run: PreparedRun;
  readonly #ensemble: Ensemble;
  readonly #warn: (line: string) => void;
  readonly #samples: Samples;
  /** Ids of samples in the order in which they are taken, those with a label first. */
  readonly #ids: readonly number[];
  readonly #failed = new Set<string>();
  readonly #answers: Answers = { teachers: new Map(), ensemble: [], labels: [], vectors: [] };
  /** The teachers of each sample so far; none where all label all. */
  readonly #routes: (readonly string[])[] = [];
  #taken = 0;

  private constructor(run: PreparedRun, ensemble: Ensemble, warn: (line: string) => void) {
    [this.#run, this.#ensemble, this.#warn] = [run, ensemble, warn];
    const { train, preprocess } = run.manifest;
    // They are drawn from all shards, few from each, so that there is no use in keeping any.
    this.#samples = new Samples(train, preprocess, async (sha256) => pathOf(run, sha256), { cacheBytes: 0 });
    this.#ids = idsToTake(run);
  }

  static async open(run: PreparedRun, warn: (line: string) => void): Promise<Look> {
    const { recipe, teachers, manifest, artifacts } = run;
    const files = new Map(
      [...artifacts].flatMap(([sha256, source]) => ('path' in source ? [[sha256, source.path]] : [])),
    );
    const native = teachers.find(({ format, name }) => formatNamed(format, name).needsNative);
    const ensemble = await Ensemble.open(teachers, files, {
      ...ensembleFormOf(recipe, teachers, manifest.train.shape),
      ...(teachers.some(({ served }) => served !== undefined) ? { answers: answersFolder() } : {}),
      temperature: baseTemperature(recipe.losses),
      openTensorFlow: native === undefined ? openWasmTensorFlow : nativeFor(recipe, native.name),
      warn,
    });
    return new Look(run, ensemble, warn);
  }

  /** Has every teacher answer further samples, until `count` are taken. */
  async take(count: number): Promise<void> {
    const { micro = 1 } = this.#run.recipe.batch;
    const total = Math.min(count, this.#ids.length);
    while (this.#taken < total) {
      await atWork('asking the teachers about samples', { done: this.#taken, total });
      const ids = Uint32Array.from(this.#ids.slice(this.#taken, Math.min(count, this.#taken + micro)));
      await this.#add(await this.#samples.gather(ids), ids);
      this.#taken += ids.length;
    }
  }

  async #add({ inputs, labels, vectors = new Float32Array(0) }: Batch, ids: Uint32Array): Promise<void> {
    const routes = this.#run.routes?.of(ids);
    this.#routes.push(...(routes ?? []));
    const found = new Map<string, Float32Array>();
    for (const { name } of this.#run.teachers) {
      const logits = this.#failed.has(name) ? null : await this.#ask(name, inputs, ids.length);
      if (logits === null) continue;
      found.set(name, logits);
      this.#answers.teachers.set(name, [...(this.#answers.teachers.get(name) ?? []), logits]);
    }
    this.#answers.labels.push(labels);
    this.#answers.vectors.push(vectors);
    if (!this.#isWhole) return;
    const isMean = hasVectors(taskOf(this.#run.recipe));
    const ensemble = this.#ensemble;
    const alike = (): Float32Array => (isMean ? ensemble.mean(found) : ensemble.mixture(found));
    const routed = (by: NonNullable<typeof routes>): Float32Array =>
      isMean ? ensemble.routedMean(found, by) : ensemble.routedMixture(found, by);
    this.#answers.ensemble.push(routes === undefined ? alike() : routed(routes));
  }

  /** Null for one that cannot answer, which a run may go on without. */
  async #ask(name: string, inputs: Float32Array, rows: number): Promise<Float32Array | null> {
    try {
      const { logits } = await this.#ensemble.run(inputs, rows, { taps: new Map(), only: [name] });
      return must(logits, name, 'logits');
    } catch (error) {
      if (!(error instanceof TeacherFailure)) throw error;
      this.#warn(`${error.message} (on samples of data.train)`);
      this.#failed.add(name);
      this.#answers.teachers.delete(name);
      return null;
    }
  }

  /** Whether all teachers have answered, so that there is an ensemble. */
  get #isWhole(): boolean {
    return this.#failed.size === 0;
  }

  evaluation(): TeachersEvaluation {
    const { recipe, teachers, manifest } = this.#run;
    const task = taskOf(recipe);
    const answered = [...this.#answers.teachers.keys()];
    const outputs = (name: string): Float32Array => concat(must(this.#answers.teachers, name, 'answers'));
    const [first = ''] = answered;
    const sums =
      answered.length === 0
        ? { samples: 0 }
        : figuresByTask[task].teacherSums(this.#truth(), {
            teachers: new Map(answered.map((name) => [name, outputs(name)])),
            ensemble: this.#isWhole ? concat(this.#answers.ensemble) : outputs(first),
            specialties: new Map(
              teachers.flatMap(({ name, specialist }) => (specialist === undefined ? [] : [[name, specialist]])),
            ),
            routes: this.#run.recipe.ensemble.route === undefined ? undefined : this.#routes,
          });
    return {
      line: { sums, samples: this.#taken },
      task,
      teachers: answered,
      width: manifest.classes,
      of: 'training',
      isByRoute: recipe.ensemble.route !== undefined,
    };
  }

  #truth(): GroundTruth {
    const { classes: width, train } = this.#run.manifest;
    const labels = Int32Array.from(this.#answers.labels.flatMap((part) => [...part]));
    const { positions = 1, targets } = train;
    return {
      rows: this.#taken,
      labels,
      vectors: concat(this.#answers.vectors),
      width,
      positions,
      means: targets?.means ?? [],
    };
  }

  /** A line for each thing that is odd, labels or not. */
  oddities(): string[] {
    const { recipe, teachers, manifest } = this.#run;
    const { labels } = this.#truth();
    const judged = [
      ...[...this.#answers.teachers].map(([name, parts]): [string, Float32Array] => [`teacher ${name}`, concat(parts)]),
      ...(this.#isWhole && teachers.length > 1
        ? [['the ensemble', concat(this.#answers.ensemble)] satisfies [string, Float32Array]]
        : []),
    ];
    const specialists = new Set(
      teachers.filter(({ specialist }) => specialist !== undefined).map(({ name }) => `teacher ${name}`),
    );
    const constant = judged.flatMap(([name, outputs]) => {
      const answer = specialists.has(name)
        ? null
        : constantAnswer({ task: taskOf(recipe), outputs, width: manifest.classes, labels });
      return answer === null ? [] : [`${name}: it gives ${answer}; other preprocessing, layout or output wanted`];
    });
    const weak = this.#isWhole ? weakEnsemble(this.evaluation(), recipe.ensemble.combine) : null;
    return [...constant, ...this.#zeros(), ...(weak === null ? [] : [weak])];
  }

  /** Teachers whose probabilities of 0 rule a mean of logarithms. */
  #zeros(): string[] {
    const { recipe, teachers } = this.#run;
    const sharing = teachers.filter(({ weight, specialist }) => weight > 0 && specialist === undefined);
    if (recipe.ensemble.combine !== 'logits' || sharing.length < 2) return [];
    const least = Math.log(smallestProbability);
    const wish = hasVectors(taskOf(recipe))
      ? 'its logits (teachers[].outputName) or teachers[].weight: 0 wanted'
      : 'ensemble.combine: probabilities wanted';
    return sharing.flatMap(({ name, output }) => {
      const parts = this.#answers.teachers.get(name) ?? [];
      const isZero =
        output !== 'logits' && parts.some((part) => part.some((value) => Math.abs(value) >= -least - 1e-3));
      return isZero
        ? [
            `teacher ${name}: it gives probabilities of exactly 0 or 1, and with ensemble.combine: logits their logarithm (${least.toFixed(0)}) overrules the other teachers; ${wish}`,
          ]
        : [];
    });
  }

  close(): Promise<void> {
    return this.#ensemble.dispose();
  }
}

function pathOf({ artifacts }: PreparedRun, sha256: string): string {
  const source = must(artifacts, sha256, 'artifact');
  if ('path' in source) return source.path;
  throw new Error(`shard ${sha256} is no file`);
}

/** At most as many as are ever looked at, drawn by the seed: those with a label, or all where none has one. */
function idsToTake({ recipe, manifest: { train }, trainLabels }: PreparedRun): number[] {
  const { positions = 1 } = train;
  const isLabelled = (id: number): boolean =>
    trainLabels.subarray(id * positions, (id + 1) * positions).some((label) => label >= 0);
  const every = Uint32Array.from({ length: train.samples }, (_, id) => id);
  const labelled = every.filter(isLabelled);
  const drawn = shuffle(labelled.length === 0 ? every : labelled, randomStream([recipe.seed, 'look']));
  return [...drawn.subarray(0, manySamples)];
}

function concat(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
