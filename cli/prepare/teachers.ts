/** Looks at all teachers of a recipe before a run starts. */
import type { ArtifactSource } from '../../coordinator/server/artifacts.js';
import { UserError } from '../../shared/errors.js';
import { atWork } from '../../shared/long-work.js';
import type { ServedCanary } from '../../shared/labels/served-canary.js';
import type { TeacherSpec } from '../../shared/protocol/messages.js';
import type { Recipe } from '../../shared/recipe/schema.js';
import type { TapShape } from '../../worker/compute/teachers/formats/taps.js';
import type { OpenTensorFlow } from '../../worker/compute/teachers/formats/teacher.js';
import type { Expected } from './expected.js';
import { teacherTaps } from './taps.js';
import { inspectTeacher } from './teacher.js';
import { nativeTensorFlow } from './tensorflow.js';

export interface TeachersOptions {
  readonly recipe: Recipe;
  /** What paths in the recipe are relative to. */
  readonly recipeFolder: string;
  /** Where models are written that are turned into ONNX, as files named by their SHA-256. */
  readonly shardFolder: string;
  /** What served models answered where the run that goes on was prepared, by teacher; absent: a new run begins. */
  readonly servedBefore?: ReadonlyMap<string, ServedCanary> | undefined;
  /** Called with each line for the user about what looks odd. */
  readonly warn: (text: string) => void;
}

export interface PreparedTeachers {
  /** In the recipe's order. */
  readonly specs: readonly TeacherSpec[];
  /** The models' files, by SHA-256. */
  readonly artifacts: ReadonlyMap<string, ArtifactSource>;
  /** By teacher, the taps whose shapes the recipe's losses need. */
  readonly taps: ReadonlyMap<string, readonly TapShape[]>;
  /** By teacher that onnxruntime might compute and does not: why. */
  readonly notInOnnx: ReadonlyMap<string, string>;
}

/**
 * Describes the recipe's teachers, one after the other.
 * @throws UserError 2 when one does not fit the recipe or the data, 65 when a file is damaged or another
 */
export async function prepareTeachers(
  { recipe, recipeFolder, shardFolder, servedBefore, warn }: TeachersOptions,
  expected: Expected,
): Promise<PreparedTeachers> {
  const specs: TeacherSpec[] = [];
  const taps = new Map<string, readonly TapShape[]>();
  const artifacts = new Map<string, ArtifactSource>();
  const notInOnnx = new Map<string, string>();
  for (const teacher of recipe.teachers) {
    await atWork(`looking at teacher ${teacher.name}`);
    const found = await inspectTeacher(teacher, expected, {
      folder: recipeFolder,
      taps: teacherTaps(recipe, teacher.name),
      openNative: nativeFor(recipe, teacher.name),
      servedFolder: shardFolder,
      servedBefore,
      onnxFolder: onnxFolderFor(recipe, shardFolder),
    });
    taps.set(teacher.name, found.taps);
    if (found.notInOnnx !== null) notInOnnx.set(teacher.name, found.notInOnnx);
    found.warnings.forEach((text) => warn(text));
    for (const [sha256, path] of found.paths) artifacts.set(sha256, { path });
    specs.push(found.spec);
  }
  return { specs, artifacts, taps, notInOnnx };
}

/** Where the run's teachers are turned into ONNX: `folder`, or nowhere, where the recipe names what runs them. */
export function onnxFolderFor({ numerics: { backend } }: Recipe, folder: string): string | undefined {
  return backend === 'onnx' || backend === 'auto' ? folder : undefined;
}

/** Opens the native backend as the run's workers do. @throws UserError 2 when the recipe wants another */
export function nativeFor({ numerics: { backend, threads } }: Recipe, teacher: string): OpenTensorFlow {
  if (backend !== 'wasm' && backend !== 'onnx') return nativeTensorFlow(threads);
  return async () => {
    throw new UserError(
      `numerics.backend: ${backend} given; teacher ${teacher} is a SavedModel, so auto or native wanted`,
    );
  };
}
