/** A run's student, teachers and data on a real backend: what the trainer computes with. */
import type { DataSet } from '../shared/data/manifest.js';
import { Samples } from '../shared/data/samples.js';
import { epochOrder, type EpochOrder } from '../shared/data/sampler.js';
import type { Recipe } from '../shared/recipe/schema.js';
import { planReplica } from '../shared/replica-plan.js';
import type { Backend } from './backends/backend.js';
import type { ComputeBackend, FetchArtifact, MicroBatch, RunCompute } from './compute.js';
import { Student } from './student.js';
import { Ensemble } from './teachers/ensemble.js';
import { Labels } from './teachers/labels.js';
import type { Begin } from './trainer-messages.js';

export interface ModelsOptions {
  /** Gets one line when a teacher's output looks odd. */
  readonly warn: (line: string) => void;
}

/** The backend as a worker takes it. */
export function computeBackend(backend: Backend, options: ModelsOptions): ComputeBackend {
  const { name, gpu, version } = backend;
  return { name, gpu, version, open: (begin, fetch) => openModels(backend, begin, { ...options, fetch }) };
}

/** @throws UserError when a model cannot be opened */
async function openModels(backend: Backend, begin: Begin, options: ModelsOptions & { fetch: FetchArtifact }): Promise<RunCompute> {
  const { recipe, spec, manifest } = begin;
  const student = await Student.build(backend.tf, spec, planReplica(spec, recipe.optimizer));
  const ensemble = begin.teachers.length === 0 ? null : await openEnsemble(backend, begin, options.warn);
  const open = (dataSet: DataSet): Samples => new Samples(dataSet, manifest.preprocess, options.fetch);
  const evaluation = manifest.eval === null ? null : open(manifest.eval);
  return new RunModels({ backend, begin, student, ensemble, train: open(manifest.train), evaluation, order: orderOf(recipe, manifest.train) });
}

function openEnsemble(backend: Backend, { recipe, manifest, teachers, files }: Begin, warn: (line: string) => void): Promise<Ensemble> {
  return Ensemble.open(teachers, files, {
    combine: recipe.ensemble.combine, rows: recipe.batch.micro ?? recipe.batch.size, inputShape: manifest.train.shape,
    openTensorFlow: async () => backend.tf, warn,
  });
}

type Order = (epoch: number) => EpochOrder;

/** Keeps the order of the newest epochs: the current one, and the one that is labelled ahead. */
function orderOf(recipe: Recipe, dataSet: DataSet): Order {
  const kept = new Map<number, EpochOrder>();
  return (epoch) => {
    const found = kept.get(epoch) ?? epochOrder(dataSet, recipe.seed, epoch, recipe.data.shuffle);
    kept.set(epoch, found);
    const [oldest] = kept.keys();
    if (kept.size > 2 && oldest !== undefined) kept.delete(oldest);
    return found;
  };
}

interface Parts {
  readonly backend: Backend;
  readonly begin: Begin;
  readonly student: Student;
  readonly ensemble: Ensemble | null;
  readonly train: Samples;
  readonly evaluation: Samples | null;
  readonly order: Order;
}

class RunModels implements RunCompute {
  readonly student: Student;
  readonly classes: number;
  readonly #parts: Parts;
  /** Null where no loss wants soft labels. */
  readonly #labels: Labels | null;

  constructor(parts: Parts) {
    const { student, ensemble, begin } = parts;
    this.#parts = parts;
    this.student = student;
    this.classes = student.classes;
    const isWanted = ensemble !== null && begin.recipe.losses.response !== undefined;
    this.#labels = isWanted ? new Labels({ ensemble, cache: begin.recipe.labels.cache }) : null;
  }

  async trainBatch(epoch: number, from: number, to: number): Promise<MicroBatch> {
    const order = this.#parts.order(epoch);
    const ids = Uint32Array.from({ length: to - from }, (_, i) => order.at(from + i));
    const { inputs, labels } = await this.#parts.train.gather(ids);
    const softLabels = this.#labels === null ? null : await this.#labels.softLabels(ids, inputs);
    return { rows: ids.length, inputs, targets: { labels, softLabels } };
  }

  async evalBatch(from: number, to: number): Promise<MicroBatch> {
    const { evaluation } = this.#parts;
    if (evaluation === null) throw new Error('an evaluation of a run without evaluation data');
    const { inputs, labels } = await evaluation.gather(Uint32Array.from({ length: to - from }, (_, i) => from + i));
    return { rows: to - from, inputs, targets: { labels, softLabels: null } };
  }

  async teacherLogits({ inputs, rows }: MicroBatch): Promise<{ teachers: ReadonlyMap<string, Float32Array>; ensemble: Float32Array }> {
    const { ensemble } = this.#parts;
    if (ensemble === null) throw new Error('an evaluation of the teachers of a run without teachers');
    const teachers = await ensemble.logits(inputs, rows);
    return { teachers, ensemble: ensemble.mixture(teachers) };
  }

  tensors(): number {
    return this.#parts.backend.tf.memory().numTensors;
  }

  async dispose(): Promise<void> {
    this.student.dispose();
    await this.#parts.ensemble?.dispose();
  }
}
