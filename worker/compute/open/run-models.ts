/** A run's student, teachers and data on a real backend: what the trainer computes with. */
import { viewOf } from '../../../shared/data/augment.js';
import { openRoutes, type Routes } from '../../../shared/data/routes.js';
import { Samples, trainSamples } from '../../../shared/data/samples.js';
import { epochOrders, type EpochOrder } from '../../../shared/data/sampler.js';
import type { InstalledPlugins } from '../../../shared/recipe/plugins.js';
import { must } from '../../../shared/must.js';
import type { Recipe } from '../../../shared/recipe/schema.js';
import { hasVectors, type Task } from '../../../shared/task.js';
import { splitTap, tapPairs } from '../../../shared/recipe/terms.js';
import { planReplica } from '../../../shared/replica/plan.js';
import type { Backend } from '../backends/backend.js';
import { onnxruntimeVersion } from '../backends/onnxruntime/pins.js';
import { provider } from '../backends/onnxruntime/runtime.js';
import type { CommandLine, ComputeBackend, MicroBatch, RunCompute, RunDefinition } from '../contract.js';
import type { Activation } from '../../../shared/losses/math/activation.js';
import { mixUp } from '../mixup.js';
import { loadPlugins } from '../losses/load-plugins.js';
import { SoftLabels } from '../labels/soft-labels.js';
import type { Student } from '../student/engine.js';
import { compiledNumerics } from '../student/graph/numerics.js';
import { remarksOnBackend } from './backend-check.js';
import type { GpuUse } from './backend-choice.js';
import { CheckedStudent } from './compiled-check.js';
import { checkGpuUse } from './gpu-use.js';
import { buildStudent } from './student-engines.js';
import { Teaching, type Taught, type TeachingOptions } from './teaching.js';

export interface ModelsOptions extends Omit<TeachingOptions, 'fetch' | 'alive'> {
  /** Loss plug-ins on this machine. */
  readonly plugins?: InstalledPlugins | undefined;
  /** What the worker's command line asks for. */
  readonly commandLine?: CommandLine;
  /** Absent: there is no GPU. */
  readonly gpuUse?: GpuUse;
}

/** The backend as a worker takes it. */
export function computeBackend(backend: Backend, options: ModelsOptions): ComputeBackend {
  const { name } = backend;
  const { name: onnx, gpu } = provider();
  const plugins = Object.fromEntries([...(options.plugins ?? [])].map(([plugin, { sha256 }]) => [plugin, sha256]));
  const said = new Set<string>();
  return {
    name,
    gpu: backend.gpu ?? gpu,
    provider: onnx,
    version: `${backend.version}, onnxruntime ${onnxruntimeVersion}`,
    plugins,
    ...(options.commandLine === undefined ? {} : { commandLine: options.commandLine }),
    open: (run, fetch, alive) => {
      for (const line of remarksOnBackend({ ...backend, ...options }, { engine: run.spec.engine ?? 'tfjs' })) {
        // A worker may work at several runs, such as a baseline and what it is compared with.
        if (!said.has(line)) options.warn(line);
        said.add(line);
      }
      return openModels(backend, run, { ...options, fetch, alive });
    },
  };
}

/** @throws UserError when a model cannot be opened */
async function openModels(
  backend: Backend,
  run: RunDefinition,
  options: ModelsOptions & TeachingOptions,
): Promise<RunCompute> {
  const { recipe, spec, manifest, teachers } = run;
  if (options.gpuUse !== undefined)
    checkGpuUse(options.gpuUse, {
      gpu: backend.gpu,
      engine: spec.engine ?? 'tfjs',
      teachers: recipe.labels.wait ? [] : teachers,
      warn: options.warn,
    });
  const plugins = await loadPlugins(Object.keys(recipe.losses.plugins ?? {}), options.plugins ?? new Map());
  const plan = planReplica(spec, recipe.optimizer, recipe.compression);
  const definition = { spec, plan, losses: recipe.losses, plugins };
  const built = await buildStudent(definition, backend);
  const student =
    spec.engine === 'onnx' ? new CheckedStudent(built, { definition, backend, warn: options.warn }) : built;
  const evaluation = manifest.eval === null ? null : new Samples(manifest.eval, manifest.preprocess, options.fetch);
  const routes = await openRoutes(manifest.train, options.fetch);
  return new RunModels({
    backend,
    run,
    routes,
    evaluationRoutes: manifest.eval === null ? null : await openRoutes(manifest.eval, options.fetch),
    student,
    numerics: spec.engine === 'onnx' ? await compiledNumerics() : null,
    teaching: new Teaching(backend, { ...run, routes }, options),
    train: trainSamples(recipe, manifest, options.fetch),
    evaluation,
    orderOf: epochOrders(manifest.train, { seed: recipe.seed, shuffle: recipe.data.shuffle }),
  });
}

interface Parts {
  readonly backend: Backend;
  readonly run: RunDefinition;
  readonly student: Student;
  /** Null for one that is not compiled. */
  readonly numerics: string | null;
  readonly teaching: Teaching;
  readonly train: Samples;
  readonly evaluation: Samples | null;
  /** Who labels each training sample; null where all teachers do. */
  readonly routes: Routes | null;
  /** The same of the evaluation set. */
  readonly evaluationRoutes: Routes | null;
  readonly orderOf: (epoch: number) => EpochOrder;
}

function tapsByTeacher({ losses, teachers }: Recipe): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const { teacher: path } of tapPairs(losses)) {
    const tap = path === null ? null : splitTap(path, teachers);
    if (tap !== null) found.set(tap.teacher, [...new Set([...(found.get(tap.teacher) ?? []), tap.tap])]);
  }
  return found;
}

class RunModels implements RunCompute {
  readonly student: Student;
  readonly classes: number;
  readonly specialties: ReadonlyMap<string, readonly number[]>;
  readonly task: Task;
  readonly targetMeans: readonly number[];
  readonly positions?: number;
  readonly numerics?: string;
  readonly #parts: Parts;
  /** By teacher, each tap once. */
  readonly #teacherTaps: ReadonlyMap<string, readonly string[]>;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.student = parts.student;
    this.classes = parts.student.classes;
    const { recipe, teachers, manifest } = parts.run;
    this.specialties = new Map(
      teachers.flatMap(({ name, specialist }) => (specialist === undefined ? [] : [[name, specialist]])),
    );
    const {
      task = 'classes',
      train: { positions },
    } = manifest;
    this.task = task;
    this.targetMeans = manifest.eval?.targets?.means ?? [];
    if (positions !== undefined) this.positions = positions;
    if (parts.numerics !== null) this.numerics = parts.numerics;
    this.#teacherTaps = tapsByTeacher(recipe);
  }

  async trainBatch(epoch: number, from: number, to: number, dropped: readonly string[] = []): Promise<MicroBatch> {
    const order = this.#parts.orderOf(epoch);
    const ids = Uint32Array.from({ length: to - from }, (_, i) => order.at(from + i));
    const {
      data: { augment },
      ensemble,
      seed,
    } = this.#parts.run.recipe;
    const view = augment === undefined ? 0 : viewOf(augment, epoch);
    const { train } = this.#parts;
    const own = await train.gather(ids, view);
    train.prefetch(order.shardsAfter(to - 1));
    const mixed = augment?.mixup === undefined ? undefined : mixUp(own, augment.mixup, [seed, 'mixup', epoch, from]);
    const { labels, weights } = own;
    const vectors = mixed?.vectors ?? own.vectors;
    const inputs = mixed?.inputs ?? own.inputs;
    const taught = this.#parts.teaching.without(dropped);
    const activations = await this.#activations(taught, inputs, ids.length);
    const soft = await taught.labels?.get(ids, { inputs, labels }, view);
    return {
      rows: ids.length,
      inputs,
      targets: {
        labels,
        weights,
        ...(this.positions === undefined ? {} : { isSequence: true }),
        ...(vectors === undefined ? {} : { vectors }),
        soft:
          soft === undefined
            ? null
            : new SoftLabels(soft, {
                combine: ensemble.combine,
                classes: this.classes,
                teachers: taught.teachers,
                by: ensemble.weights?.by,
                labels_B: labels,
                routes_B: this.#parts.routes?.of(ids),
              }),
        ...(mixed === undefined ? {} : { mixed }),
        ...(activations === null ? {} : { activations }),
      },
    };
  }

  /** Inner values of the teachers that the losses compare; they are computed live always, and never kept. */
  async #activations(
    taught: Taught,
    inputs: Float32Array,
    rows: number,
  ): Promise<ReadonlyMap<string, Activation> | null> {
    const taps = this.#teacherTaps;
    const { positions } = this.#parts.run.manifest.train;
    const ensemble = taps.size === 0 ? undefined : await taught.ensemble?.();
    if (ensemble === undefined) return null;
    const inner = new Map([...taps].map(([teacher, names]) => [teacher, names.filter((tap) => tap !== 'logits')]));
    const found = await ensemble.run(inputs, rows, { taps: inner, only: [...taps.keys()] });
    const outputs = [...taps]
      .filter(([, names]) => names.includes('logits'))
      .map(([teacher]): [string, Activation] => [
        `${teacher}/logits`,
        {
          values: must(found.logits, teacher, 'logits'),
          shape: [...(positions === undefined ? [] : [positions]), this.classes],
        },
      ]);
    return new Map([...found.taps, ...outputs]);
  }

  async evalBatch(from: number, to: number): Promise<MicroBatch> {
    const { evaluation, evaluationRoutes } = this.#parts;
    if (evaluation === null) throw new Error('an evaluation of a run without evaluation data');
    const ids = Uint32Array.from({ length: to - from }, (_, i) => from + i);
    const { inputs, labels, vectors } = await evaluation.gather(ids);
    return {
      rows: to - from,
      inputs,
      targets: { labels, ...(vectors === undefined ? {} : { vectors }), soft: null },
      ...(evaluationRoutes === null ? {} : { routes: evaluationRoutes.of(ids) }),
    };
  }

  async teacherLogits(
    { inputs, rows, routes }: MicroBatch,
    dropped: readonly string[] = [],
  ): Promise<{ teachers: ReadonlyMap<string, Float32Array>; ensemble: Float32Array }> {
    const ensemble = await this.#parts.teaching.without(dropped).ensemble?.();
    if (ensemble === undefined) throw new Error('an evaluation of the teachers of a run without teachers');
    const teachers = await ensemble.logits(inputs, rows);
    const isMean = hasVectors(this.task);
    if (routes === undefined)
      return { teachers, ensemble: isMean ? ensemble.mean(teachers) : ensemble.mixture(teachers) };
    const routed = isMean ? ensemble.routedMean(teachers, routes) : ensemble.routedMixture(teachers, routes);
    return { teachers, ensemble: routed };
  }

  tensors(): number {
    return this.student.tensors();
  }

  async dispose(): Promise<void> {
    await this.#parts.teaching.close();
    await this.student.dispose();
    await this.#parts.teaching.dispose();
  }
}
