/** A run as `prepare` hands it to `coordinate`: everything that has been read from the user's files. */
import type { Manifest } from '../../shared/data/manifest.js';
import type { StudentSpec } from '../../shared/models/student-spec.js';
import type { Artifact, TeacherSpec } from '../../shared/protocol/messages.js';
import type { PluginDigest } from '../../shared/recipe/plugins.js';
import type { Recipe } from '../../shared/recipe/schema.js';
import type { ArtifactSource } from '../server/artifacts.js';

export interface PreparedRun {
  readonly recipe: Recipe;
  readonly recipeFolder: string;
  readonly name: string;
  /** SHA-256 over the resolved recipe and the digests of models and data. */
  readonly recipeDigest: string;
  readonly student: StudentSpec;
  readonly initialWeights: ReadonlyMap<string, Float32Array>;
  readonly teachers: readonly TeacherSpec[];
  /** Loss plug-ins that the recipe names, by name in their order. */
  readonly plugins: readonly PluginDigest[];
  /** What workers may download, by SHA-256. */
  readonly artifacts: ReadonlyMap<string, ArtifactSource>;
  readonly studentArtifact: Artifact;
  readonly manifestArtifact: Artifact;
  readonly manifest: Manifest;
  /** Per sample of the training set (and position of a sequence): its label, -1 for none. */
  readonly trainLabels: Int32Array;
  /** As trainLabels; absent: all are 1. */
  readonly trainWeights?: Float32Array | undefined;
  /** Sample id at a position of an epoch's order. */
  readonly sampleAt: (epoch: number, position: number) => number;
}
