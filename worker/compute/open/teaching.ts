/**
 * What a run's samples are taught by: its teachers and their labels, and the same without teachers that the run has
 * dropped, each as if the recipe had never had the others. Teachers are opened when the first of them is needed: a run
 * that reads its labels may never do.
 */
import type { FileLabelsIndex } from '../../../shared/data/manifest.js';
import { ensembleFormOf } from '../../../shared/labels/ensemble-digest.js';
import { labelKinds, labelsOf } from '../../../shared/labels/kinds.js';
import type { LabelStorage } from '../../../shared/labels/storage.js';
import type { TeacherSpec } from '../../../shared/protocol/messages.js';
import { baseTemperature } from '../../../shared/recipe/terms.js';
import type { Backend } from '../backends/backend.js';
import type { FetchArtifact, RunDefinition } from '../contract.js';
import type { Routes } from '../../../shared/data/routes.js';
import { Ensemble } from '../teachers/ensemble.js';
import { FileLabels } from '../labels/file-labels.js';
import type { Labels } from '../labels/labels.js';
import type { OpenSharedLabels } from '../labels/shared-labels.js';
import { openRunLabels } from './run-labels.js';

export interface TeachingOptions {
  /** Where label blocks lie on this machine's disk; without it they are kept in memory alone. */
  readonly labels?: LabelStorage | undefined;
  /** Labels that others made; without it this worker shares none. */
  readonly sharedLabels?: OpenSharedLabels | undefined;
  /** Gets one line when a teacher's output looks odd. */
  readonly warn: (line: string) => void;
  readonly fetch: FetchArtifact;
  /** A sign of life while labels are waited for; false: nobody wants them any more. */
  readonly alive: () => boolean;
}

/** A run whose models and routes are read. */
export type TaughtRun = RunDefinition & {
  /** Who labels each training sample; null or absent where all teachers do. */
  readonly routes?: Routes | null;
};

/** In the recipe's order. */
export interface Taught {
  readonly teachers: readonly TeacherSpec[];
  /** Null where no loss wants soft labels. */
  readonly labels: Pick<Labels, 'get' | 'close'> | null;
  /** Null for a run without teachers. */
  readonly ensemble: (() => Promise<Ensemble>) | null;
}

export class Teaching {
  readonly #backend: Backend;
  readonly #run: TaughtRun;
  readonly #options: TeachingOptions;
  /** By the names of those that are dropped. */
  readonly #taught = new Map<string, Taught>();
  #opened: Promise<Ensemble> | null = null;

  constructor(backend: Backend, run: TaughtRun, options: TeachingOptions) {
    [this.#backend, this.#run, this.#options] = [backend, run, options];
    this.without([]);
  }

  /** All but these. */
  without(dropped: readonly string[]): Taught {
    const key = JSON.stringify(dropped);
    const found = this.#taught.get(key) ?? this.#make(dropped);
    this.#taught.set(key, found);
    return found;
  }

  async close(): Promise<void> {
    for (const { labels } of this.#taught.values()) await labels?.close();
  }

  async dispose(): Promise<void> {
    await (await this.#opened?.catch(() => null))?.dispose();
  }

  #make(dropped: readonly string[]): Taught {
    const { manifest, recipe } = this.#run;
    const teachers = this.#run.teachers.filter(({ name }) => !dropped.includes(name));
    const whole = (): Promise<Ensemble> => (this.#opened ??= this.#open());
    const ensemble =
      this.#run.teachers.length === 0
        ? null
        : onceMade(
            dropped.length === 0
              ? whole
              : async () => (await whole()).without(dropped, ensembleFormOf(recipe, teachers, manifest.train.shape)),
          );
    if (manifest.labels !== undefined) return { teachers, ensemble, labels: this.#fileLabels(manifest.labels) };
    return { teachers, ensemble, labels: ensemble === null ? null : this.#labels(dropped, teachers, ensemble) };
  }

  #fileLabels(index: FileLabelsIndex): FileLabels {
    const { recipe, manifest } = this.#run;
    const wanted = labelsOf(labelKinds(recipe), []);
    return new FileLabels({ index, dataSet: manifest.train, wanted, fetch: this.#options.fetch });
  }

  /** What the coordinator gathers are the labels of all teachers: without some, every worker keeps its own. */
  #labels(
    dropped: readonly string[],
    teachers: readonly TeacherSpec[],
    ensemble: () => Promise<Ensemble>,
  ): Labels | null {
    const { labels, sharedLabels = null, warn, alive } = this.#options;
    return openRunLabels({
      source: { ...this.#run, teachers },
      ensemble,
      storage: labels ?? null,
      warn,
      alive,
      sharedLabels: dropped.length === 0 ? sharedLabels : null,
    });
  }

  #open(): Promise<Ensemble> {
    const { recipe, manifest, teachers, files } = this.#run;
    return Ensemble.open(teachers, files, {
      ...ensembleFormOf(recipe, teachers, manifest.train.shape),
      temperature: baseTemperature(recipe.losses),
      openTensorFlow: this.#backend.openTensorFlow,
      warn: this.#options.warn,
    });
  }
}

function onceMade(make: () => Promise<Ensemble>): () => Promise<Ensemble> {
  let made: Promise<Ensemble> | null = null;
  return () => (made ??= make());
}
