/**
 * From a checked recipe to a run that can start: shards written, models looked at, everything digested. What is wrong
 * with the user's files is said here, before any worker is let in.
 */
import type { PreparedRun } from '../../coordinator/plan/prepared-run.js';
import type { RunEngines } from '../../coordinator/plan/run-engines.js';
import { weightsDigest } from '../../coordinator/reports/summary.js';
import type { ArtifactSource } from '../../coordinator/server/artifacts.js';
import { epochOrders } from '../../shared/data/sampler.js';
import type { StudentSpec } from '../../shared/models/student-spec.js';
import { atWork } from '../../shared/long-work.js';
import type { Artifact } from '../../shared/protocol/messages.js';
import { pluginDigests, type InstalledPlugins, type PluginDigest } from '../../shared/recipe/plugins.js';
import type { Recipe } from '../../shared/recipe/schema.js';
import { sha256Of } from '../../shared/sha256.js';
import { taskOf } from '../../shared/task.js';
import { prepareData, type DataOptions, type PreparedData } from './data.js';
import type { Expected } from './expected.js';
import { chooseEngine, type ChosenEngine } from './engine.js';
import type { PreparedStudent } from './inspected-student.js';
import { RemoteFiles } from './remote/remote-files.js';
import { withLocalModels } from './remote-models.js';
import { checkStudent, inspectStudent } from './student.js';
import { planTaps } from './taps.js';
import { prepareTeachers, type PreparedTeachers, type TeachersOptions } from './teachers.js';

export interface PreparationOptions extends DataOptions, TeachersOptions {
  /** The run's name. */
  readonly name: string;
  /** The loss plug-ins that are installed on this machine. */
  readonly plugins: InstalledPlugins;
}

/**
 * Prepares a run.
 * @throws UserError 2 when files and recipe do not fit each other, 65 when a file is damaged, 69 when the disk takes no
 * more
 */
export async function prepareRun(given: PreparationOptions): Promise<PreparedRun> {
  return prepareWith({ ...given, remote: given.remote ?? new RemoteFiles() });
}

type Options = PreparationOptions & { readonly remote: RemoteFiles };

async function prepareWith(options: Options): Promise<PreparedRun> {
  const { recipe: given, recipeFolder: folder, warn } = options;
  const plugins = await pluginDigests(given.losses, options.plugins);
  const data = await prepareData(options);
  const expected = expectedOf(given, data);
  const local = await withLocalModels(given, options.remote);
  await atWork('looking at the student');
  const inspected = await inspectStudent(local.student, expected, { folder, seed: given.seed });
  inspected.warnings.forEach((text) => warn(text));
  checkStudent(given, inspected.spec);
  const teachers = await prepareTeachers({ ...options, recipe: local }, expected);
  const { recipe, student } = await planTaps({ recipe: given, student: inspected, teachers: teachers.taps });
  await atWork('compiling the student');
  const chosen = await chooseEngine(recipe, student.spec);
  const { engine } = chosen;
  const spec: StudentSpec = engine === 'tfjs' ? student.spec : { ...student.spec, engine };
  return assemble({ ...options, recipe }, { data, student: { ...student, spec }, chosen, teachers, plugins });
}

function expectedOf(recipe: Recipe, { manifest, classNames, parts }: PreparedData): Expected {
  const { train, classes, preprocess } = manifest;
  const { shape: inputShape, positions } = train;
  return { inputShape, parts, task: taskOf(recipe), classes, positions, classNames, preprocess };
}

interface Parts {
  readonly data: PreparedData;
  readonly student: PreparedStudent;
  readonly chosen: ChosenEngine;
  readonly teachers: PreparedTeachers;
  readonly plugins: readonly PluginDigest[];
}

function assemble(
  { recipe, recipeFolder, name, remote }: Options,
  { data, student, chosen, teachers, plugins }: Parts,
): PreparedRun {
  const artifacts = new Map<string, ArtifactSource>([...data.artifacts, ...teachers.artifacts]);
  const studentArtifact = addJson(artifacts, student.spec);
  const manifestArtifact = addJson(artifacts, data.manifest);
  const orderOf = epochOrders(data.manifest.train, { seed: recipe.seed, shuffle: recipe.data.shuffle });
  return {
    recipe,
    recipeFolder,
    name,
    student: student.spec,
    engines: enginesOf(chosen, teachers),
    initialWeights: student.weights,
    teachers: teachers.specs,
    plugins,
    artifacts,
    studentArtifact,
    manifestArtifact,
    manifest: data.manifest,
    ...(remote.identities.size === 0 ? {} : { remote: Object.fromEntries(remote.identities) }),
    trainLabels: data.labels,
    trainWeights: data.weights,
    routes: data.routes,
    inputRange: data.inputRange,
    classNames: data.classNames,
    shardsIn: (epoch, from, to) => orderOf(epoch).shardsIn(from, to),
    sampleAt: (epoch, position) => orderOf(epoch).at(position),
    recipeDigest: digestOfValue({
      recipe,
      student: studentArtifact.sha256,
      weights: weightsDigest(student.weights),
      // A served model is known by its canary alone.
      teachers: teachers.specs.map(({ canary, ...spec }) => (spec.served === undefined ? spec : { ...spec, canary })),
      data: manifestArtifact.sha256,
      ...(plugins.length === 0 ? {} : { plugins }),
    }),
  };
}

function enginesOf({ engine, reason }: ChosenEngine, { notInOnnx }: PreparedTeachers): RunEngines {
  return {
    student: engine,
    ...(reason === null ? {} : { reason }),
    ...(notInOnnx.size === 0 ? {} : { teachers: Object.fromEntries(notInOnnx) }),
  };
}

function addJson(artifacts: Map<string, ArtifactSource>, value: unknown): Artifact {
  const bytes = Buffer.from(JSON.stringify(value));
  const sha256 = sha256Of(bytes);
  artifacts.set(sha256, { bytes });
  return { sha256, bytes: bytes.length };
}

/** Gives the SHA-256 of a value as JSON with sorted keys. */
export function digestOfValue(value: unknown): string {
  return sha256Of(JSON.stringify(sorted(value)));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, sorted(item)]),
  );
}
