/** A run as the command line prepares it and the coordinator takes it: all that the user's files say. */
import type { Manifest } from '../../shared/data/manifest.js';
import type { Routes } from '../../shared/data/routes.js';
import type { RemoteIdentity } from '../../shared/data/remote-identity.js';
import type { StudentSpec } from '../../shared/models/student-spec.js';
import type { Artifact, TeacherSpec } from '../../shared/protocol/messages.js';
import type { PluginDigest } from '../../shared/recipe/plugins.js';
import type { Recipe } from '../../shared/recipe/schema.js';
import type { ArtifactSource } from '../server/artifacts.js';
import type { RunEngines } from './run-engines.js';

/** A run that can start: its recipe is checked, its models are looked at, its data is cut into shards. */
export interface PreparedRun {
  /** The recipe with every pair of taps by name. */
  readonly recipe: Recipe;
  /** What paths in the recipe are relative to. */
  readonly recipeFolder: string;
  readonly name: string;
  /** SHA-256 over the recipe and the digests of models and data. */
  readonly recipeDigest: string;
  /** The student with its adapters. */
  readonly student: StudentSpec;
  /** What computes the student and the teachers. */
  readonly engines: RunEngines;
  /** By name, in the order of the student's weights. */
  readonly initialWeights: ReadonlyMap<string, Float32Array>;
  /** In the recipe's order. */
  readonly teachers: readonly TeacherSpec[];
  /** The loss plug-ins that the recipe names, by name in their order. */
  readonly plugins: readonly PluginDigest[];
  /** What workers may download, by SHA-256. */
  readonly artifacts: ReadonlyMap<string, ArtifactSource>;
  /** The student's spec as JSON. */
  readonly studentArtifact: Artifact;
  /** The manifest as JSON. */
  readonly manifestArtifact: Artifact;
  readonly manifest: Manifest;
  /** What came of the recipe's remote names; absent: it has none. */
  readonly remote?: Readonly<Record<string, RemoteIdentity>> | undefined;
  /** [samples], or [samples x positions], of the training set; -1 for none. */
  readonly trainLabels: Int32Array;
  /** Sample weights, of the same shape as the labels; absent where all are 1. */
  readonly trainWeights?: Float32Array | undefined;
  /** Who labels each training sample; null or absent where all teachers do. */
  readonly routes?: Routes | null | undefined;
  /** The least and the greatest number of the raw training samples; absent where that was not looked at. */
  readonly inputRange?: { readonly least: number; readonly most: number } | undefined;
  /** By class number; absent where neither the recipe nor the data's format tells. */
  readonly classNames?: readonly string[] | undefined;
  /** Gives the shards that positions [from, to) of an epoch's order are drawn from; absent: that is not known. */
  readonly shardsIn?: ((epoch: number, from: number, to: number) => readonly number[]) | undefined;
  /** Gives the id of the sample at a position of an epoch's order. */
  readonly sampleAt: (epoch: number, position: number) => number;
}
