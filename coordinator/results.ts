/** What a finished run leaves in its folder: the student in the forms that others load, report.html, and summary.json, written last. */
import { UserError } from '../shared/errors.js';
import { figuresByTask } from '../shared/figures/tasks.js';
import type { StudentFacts } from '../shared/models/student-facts.js';
import { studentAlone, withoutAdapters, type StudentSpec } from '../shared/models/student-spec.js';
import { mustAt } from '../shared/must.js';
import { taskOf } from '../shared/task.js';
import type { PreparedRun } from './plan/prepared-run.js';
import type { RecoveredRun } from './recovered-run.js';
import { reportPage } from './report/report-page.js';
import { endedRun } from './report/reported-run.js';
import { summaryIn } from './reports/finished-run.js';
import { studentResult, summarySchema, teacherResults, weightsDigest, type Summary } from './reports/summary.js';
import { bestStudent } from './store/best-weights.js';
import { digestsIn } from './store/contents.js';
import type { RunFolder } from './store/run-folder.js';
import { sealedText } from './store/seal.js';

/** Writes a student in the forms that others load. */
export type ExportStudent = (
  spec: StudentSpec,
  weights: ReadonlyMap<string, Float32Array>,
  folder: string,
  facts: StudentFacts,
) => Promise<void>;

export interface ResultsOptions {
  readonly exportStudent: ExportStudent;
  /** What the baseline came to; absent where the recipe wants none. */
  readonly baseline: Summary['baseline'];
  readonly leases: Summary['leases'];
  readonly workers: Summary['workers'];
  /** Whether the student of the best evaluation is left out where its weights are damaged. */
  readonly force: boolean;
  /** Time of day in milliseconds since 1970, for the journal. */
  readonly timeOfDayMs: () => number;
  readonly warn: (line: string) => void;
}

/** @throws UserError (69) when the storage fails, or another coordinator has taken the folder over */
export async function writeResults(run: PreparedRun, opened: RecoveredRun, options: ResultsOptions): Promise<Summary> {
  const { folder, replica } = opened;
  const state = replica.readWeights();
  const { spec, weights } = studentAlone(run.student, state);
  const facts = factsOf(run);
  await options.exportStudent(spec, weights, folder.paths.student, facts);
  const others = await otherStudents(run, opened, state, options);
  for (const other of others)
    await options.exportStudent(other.spec, other.weights, `${folder.paths.student}-${other.suffix}`, facts);
  const digests = Object.fromEntries(others.map((other) => [`student-${other.suffix}`, weightsDigest(other.weights)]));
  const digest = weightsDigest(weights);
  await folder.expectNewest();
  await opened.journal.append({
    type: 'results',
    generation: folder.generation.counter,
    atMs: options.timeOfDayMs(),
    digest,
  });
  const { baseline, leases, workers } = options;
  const found = { baseline, leases, workers, digest, digests, journal: opened.journal.head };
  const told = summarySchema.parse(summaryOf(run, opened, { ...found, files: {} }));
  await writeReport(folder, told, options.warn);
  const files = await digestsIn(folder.path);
  const summary = summarySchema.parse(summaryOf(run, opened, { ...found, files }));
  await folder.write('summary.json', sealedText(summary, folder.run, 2));
  return summary;
}

/** The page is for people: a run without it is finished all the same. */
async function writeReport(folder: RunFolder, summary: Summary, warn: ResultsOptions['warn']): Promise<void> {
  try {
    await folder.write('report.html', reportPage([await endedRun(folder.path, summary)]));
  } catch (error) {
    warn(`report.html is not written: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** What goes with the student of a run. */
export function factsOf({ student, manifest, recipe, inputRange, classNames }: PreparedRun): StudentFacts {
  return {
    input: {
      shape: [...student.inputShape],
      ...feedOf(student),
      ...(inputRange === undefined ? {} : { range: inputRange }),
      preprocess: manifest.preprocess,
    },
    output: {
      task: taskOf(recipe),
      classes: manifest.classes,
      ...(classNames === undefined ? {} : { classNames: [...classNames] }),
    },
  };
}

function feedOf(student: StudentSpec): Pick<StudentFacts['input'], 'feed' | 'type' | 'inputs'> {
  if (!('graph' in student)) return {};
  const { inputs, sources } = student.graph;
  if (sources !== undefined)
    return {
      inputs: inputs.map(({ name, type, feed }) => ({ name, type, shape: [...feed], given: sources[name] ?? 0 })),
    };
  const { type, feed, isChannelsFirst } = mustAt(inputs, 0, 'input');
  return {
    ...(type === 'float32' ? {} : { type }),
    ...(isChannelsFirst || feed.length !== student.inputShape.length ? { feed: [...feed] } : {}),
  };
}

/** @throws UserError (2) when the run in this folder is one of another recipe, (65) when summary.json is damaged */
export async function readSummary(path: string, recipeDigest: string): Promise<Summary> {
  const summary = await summaryIn(path);
  if (summary === null) throw new UserError(`${path}: holds no finished run`);
  if (summary.recipeDigest !== recipeDigest)
    throw new UserError(`${path}: holds a finished run of another recipe; choose another --out`);
  return summary;
}

interface OtherStudent {
  /** The end of the folder's name: `student-SUFFIX`. */
  readonly suffix: string;
  readonly spec: StudentSpec;
  readonly weights: ReadonlyMap<string, Float32Array>;
}

/** The student with its earlier exits, and the student of the best evaluation, where there are such. */
async function otherStudents(
  run: PreparedRun,
  { folder, account }: RecoveredRun,
  state: ReadonlyMap<string, Float32Array>,
  options: Pick<ResultsOptions, 'force' | 'warn'>,
): Promise<OtherStudent[]> {
  const best = account.best === undefined ? null : await bestStudent(folder, account.best.step, run.student, options);
  return [
    ...(run.student.exits === undefined ? [] : [{ suffix: 'exits', ...withoutAdapters(run.student, state) }]),
    ...(best === null ? [] : [{ suffix: 'best', ...studentAlone(run.student, best) }]),
  ];
}

function summaryOf(
  run: PreparedRun,
  { folder, account, log }: RecoveredRun,
  found: Pick<ResultsOptions, 'baseline' | 'leases' | 'workers'> & {
    readonly digest: string;
    readonly digests: Record<string, string>;
    readonly files: Record<string, string>;
    readonly journal: string;
  },
): Summary {
  const { digest, digests, files, journal, baseline, leases, workers } = found;
  const task = taskOf(run.recipe);
  const details = figuresByTask[task].details(account.student?.sums ?? {}, run.manifest.classes);
  return {
    run: folder.run,
    name: run.name,
    recipeDigest: run.recipeDigest,
    digest,
    journal,
    files,
    ...(Object.keys(digests).length === 0 ? {} : { digests }),
    steps: account.steps,
    samples: account.samples,
    seconds: account.milliseconds / 1000,
    student: studentResult(task, run.student, account.student),
    ...(details === undefined ? {} : { details }),
    engines: run.engines,
    facts: factsOf(run),
    ...(account.best === undefined
      ? {}
      : { best: { ...studentResult(task, run.student, account.best), step: account.best.step } }),
    ...teacherResults(task, run.teachers, account.teachers),
    ...(account.dropped.size === 0 ? {} : { dropped: [...account.dropped].map(([name, step]) => ({ name, step })) }),
    ...(baseline === undefined ? {} : { baseline }),
    leases,
    log: log.written,
    workers,
  };
}
