/**
 * Which sums a unit of a run can have, and within what bounds: the names follow from the recipe, the counts from the
 * samples that were leased. What a worker sends beyond that is no sum of the unit, whatever it is. Pure.
 */
import type { Sums } from '../replica/reduction/contribution.js';
import type { Task } from '../task.js';
import { samplesIn, samplesSum } from './sum-names.js';
import type { GroundTruth } from './task-figures.js';
import { figuresByTask } from './tasks.js';
import { allDetailSums, isConfusion, isDetail } from './class-details.js';
import { calibrationSums } from './classes.js';
import { gradientNormSums, imitationSums, termSums, trainingHitSums } from './training-sums.js';

/** What the names of a run's sums follow from. */
export interface SummedRun {
  readonly task: Task;
  /** Names of the recipe's loss terms. */
  readonly terms: readonly string[];
  readonly teachers: readonly { readonly name: string; readonly specialist?: readonly number[] | undefined }[];
  /** Whether a column of the data chooses the teachers of each sample; absent: none does. */
  readonly isByRoute?: boolean;
  /** Names of the student's earlier exits. */
  readonly exits: readonly string[];
  /** Number of classes, or length of the target vectors. */
  readonly width: number;
  /** Positions of a sequence; 1 where samples are no sequences. */
  readonly positions: number;
}

/** What sums are of: a slice of an epoch, or of an evaluation of the student or of the teachers. */
export type SummedKind = 'train' | 'student' | 'teachers';

/** Sums of float32 squares stay far below, and as many of them as there can be samples add up to a finite number. */
const largest = 1e150;

/** The fields that count samples, positions or labels. */
const countFields = new Set([
  'samples',
  'sequences',
  'labelled',
  'correct',
  'agree',
  'exact',
  'right',
  'hits',
  'told',
  'actual',
]);

/** Names that come together or not at all. */
interface Group {
  readonly names: readonly string[];
  readonly isRequired: boolean;
}

export class SumRules {
  readonly #run: SummedRun;
  readonly #groups: Readonly<Record<SummedKind, readonly Group[]>>;
  readonly #names: Readonly<Record<SummedKind, ReadonlySet<string>>>;

  constructor(run: SummedRun) {
    this.#run = run;
    this.#groups = { train: trainingGroups(run), student: studentGroups(run), teachers: teacherGroups(run) };
    const namesOf = (kind: SummedKind): string[] => this.#groups[kind].flatMap(({ names }) => names);
    const [train, teachers] = [new Set(namesOf('train')), new Set(namesOf('teachers'))];
    this.#names = { train, student: new Set([...namesOf('student'), ...sparseNames(run)]), teachers };
  }

  /**
   * Says what is wrong with the sums of `samples` samples, in a line; null where they can be what they say. Whether they
   * are finite is another question: a loss may be infinite.
   */
  faultIn(sums: Sums, kind: SummedKind, samples: number): string | null {
    for (const [name, value] of Object.entries(sums)) {
      const fault = this.#faultOf(name, value, { kind, samples });
      if (fault !== null) return fault;
    }
    for (const { names, isRequired } of this.#groups[kind]) {
      const missing = names.find((name) => !Object.hasOwn(sums, name));
      if (missing === undefined) continue;
      if (isRequired || names.some((name) => Object.hasOwn(sums, name)))
        return `sums without ${JSON.stringify(missing)}`;
    }
    const counted = samplesIn(sums);
    if (kind === 'train' && counted !== samples) return `sums of ${counted} samples; ${samples} were leased`;
    return counted > samples * this.#run.positions ? `sums of ${counted} samples; ${samples} were leased` : null;
  }

  #faultOf(
    name: string,
    value: number,
    { kind, samples }: { readonly kind: SummedKind; readonly samples: number },
  ): string | null {
    const { terms, positions, width } = this.#run;
    if (!this.#names[kind].has(name))
      return `a sum named ${JSON.stringify(name.slice(0, 60))}, which this run does not have`;
    const isTerm = kind === 'train' && terms.includes(name);
    const isCount = !isTerm && (isConfusion(name) || countFields.has(name.slice(name.lastIndexOf('.') + 1)));
    if (kind !== 'train' && isDetail(name) && !(Number.isInteger(value) && value >= 0 && value <= samples))
      return `${value} for the sum ${name} of ${samples} samples`;
    if (isCount && (value < 0 || value > samples * positions * width))
      return `${value} for the sum ${name} of ${samples} samples`;
    return Number.isFinite(value) && Math.abs(value) > largest ? `${value} for the sum ${name}` : null;
  }
}

function required(sums: Sums): Group {
  return { names: Object.keys(sums), isRequired: true };
}

function together(sums: Sums): Group {
  return { names: Object.keys(sums), isRequired: false };
}

function eachAlone(sums: Sums): Group[] {
  return Object.keys(sums).map((name) => ({ names: [name], isRequired: false }));
}

function trainingGroups({ terms }: SummedRun): Group[] {
  return [
    required(samplesSum(0)),
    together(trainingHitSums({ labelled: 0, correct: 0 })),
    together(imitationSums({ agree: 0, entropy: 0, samples: 0 })),
    ...terms.map((term) => together(termSums(term, 0, 0))),
    ...eachAlone(gradientNormSums(terms.map((term) => [term, 0] as const))),
  ];
}

function studentGroups(run: SummedRun): Group[] {
  const exits = new Map(run.exits.map((exit) => [exit, answersOf(run)] as const));
  const own = figuresByTask[run.task].studentSums(sampleOf(run), answersOf(run), exits);
  const sparse = new Set(sparseNames(run));
  return [required(Object.fromEntries(Object.entries(own).filter(([name]) => !sparse.has(name))))];
}

/** Sums of the student that are left out where they count nothing. */
function sparseNames({ task, width }: SummedRun): string[] {
  return [...Object.keys(calibrationSums()), ...(task === 'classes' ? Object.keys(allDetailSums(width)) : [])];
}

/** A teacher that was dropped has none of its sums. */
function teacherGroups(run: SummedRun): Group[] {
  const of = (teachers: SummedRun['teachers']): string[] => Object.keys(teacherSums({ ...run, teachers }));
  const whole = of([]);
  return [
    { names: whole, isRequired: true },
    ...run.teachers.map((teacher) => ({
      names: of([teacher]).filter((name) => !whole.includes(name)),
      isRequired: false,
    })),
  ];
}

function teacherSums(run: SummedRun): Sums {
  return figuresByTask[run.task].teacherSums(sampleOf(run), {
    teachers: new Map(run.teachers.map(({ name }) => [name, answersOf(run)] as const)),
    ensemble: answersOf(run),
    specialties: new Map(run.teachers.flatMap(({ name, specialist }) => (specialist ? [[name, specialist]] : []))),
    ...(run.isByRoute === true ? { routes: [run.teachers.map(({ name }) => name)] } : {}),
  });
}

/** Answers of nothing but zeros to one sample. */
function answersOf({ width, positions }: SummedRun): Float32Array {
  return new Float32Array(width * positions);
}

/** A sample that has all that can be judged, for the names that come of it. */
function sampleOf({ width, positions }: SummedRun): GroundTruth {
  return {
    rows: 1,
    labels: new Int32Array(positions),
    vectors: new Float32Array(width),
    width,
    positions,
    means: Array.from({ length: width }, () => 0),
  };
}
