/**
 * What a run is a run of: its resolved recipe with the digests of all that it names, as `recipe.yaml` in the run
 * folder.
 */
import { stringify } from 'yaml';
import { servedCanaryOf, type ServedCanary } from '../../shared/labels/served-canary.js';
import type { PreparedRun } from '../plan/prepared-run.js';

/** The part of a run by which its folder is found again. */
export interface RunIdentity {
  readonly recipeDigest: string;
  /** Text of `recipe.yaml`. */
  readonly recipeText: string;
}

/**
 * Names everything that the run's result depends on: the resolved recipe, and the digests of student, data, teachers
 * and plug-ins; of teachers on servers what they answered to their canaries.
 */
export function identityOf(run: PreparedRun): RunIdentity {
  const { recipe, name, recipeDigest, studentArtifact, manifestArtifact, plugins, remote } = run;
  const teachers = Object.fromEntries(
    run.teachers.map((teacher) => [teacher.name, teacher.files.map(({ sha256 }) => sha256)]),
  );
  const served = servedCanaries(run);
  const digests = {
    recipe: recipeDigest,
    student: studentArtifact.sha256,
    data: manifestArtifact.sha256,
    teachers,
    ...(served.size === 0 ? {} : { served: Object.fromEntries(served) }),
    ...(remote === undefined ? {} : { remote }),
    ...(plugins.length === 0
      ? {}
      : { plugins: Object.fromEntries(plugins.map((plugin) => [plugin.name, plugin.sha256])) }),
  };
  return { recipeDigest, recipeText: stringify({ ...recipe, name, digests }) };
}

/** What the models on servers answered to their canaries, by teacher. */
function servedCanaries({ teachers, manifest }: PreparedRun): Map<string, ServedCanary> {
  const found = new Map<string, ServedCanary>();
  for (const teacher of teachers) {
    const canary = servedCanaryOf(teacher, manifest.train.shape);
    if (canary !== null) found.set(teacher.name, canary);
  }
  return found;
}

/** How two values differ, a line for each key: `optimizer.learningRate: 0.1 there, 0.2 here`. Pure. */
export function differences(there: unknown, here: unknown, path = ''): string[] {
  if (isTree(there) && isTree(here)) {
    const keys = [...new Set([...Object.keys(there), ...Object.keys(here)])];
    return keys.flatMap((key) => differences(there[key], here[key], path === '' ? key : `${path}.${key}`));
  }
  const [before, after] = [shown(there), shown(here)];
  return before === after ? [] : [`${path}: ${before} there, ${after} here`];
}

type Tree = Readonly<Record<string, unknown>>;

/** Objects and lists alike: a list's keys are its places. */
function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null;
}

const digestLength = 64;
/** Characters; what a served model answered has thousands. */
const longestShown = 120;

function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string' && value.length === digestLength) return value.slice(0, 12);
  const text = JSON.stringify(value);
  return text.length <= longestShown ? text : `${text.slice(0, longestShown)}...`;
}
