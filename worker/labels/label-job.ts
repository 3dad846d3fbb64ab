/** A run as a worker that only labels has opened it: teachers, samples and the labels that they make; no student. */
import PQueue from 'p-queue';
import { counted } from '../../shared/counted.js';
import { z } from 'zod';
import { artifactsOf, shardsOf, manifestSchema, type Manifest } from '../../shared/data/manifest.js';
import { openRoutes } from '../../shared/data/routes.js';
import { trainSamples, type Samples } from '../../shared/data/samples.js';
import { exitCodes, UserError } from '../../shared/errors.js';
import { ensembleFormOf } from '../../shared/labels/ensemble-digest.js';
import type { LabelStorage } from '../../shared/labels/storage.js';
import type { LabelLease, LabelRun } from '../../shared/protocol/label-messages.js';
import { recipeSchema, type Recipe } from '../../shared/recipe/schema.js';
import { baseTemperature } from '../../shared/recipe/terms.js';
import type { Labels } from '../compute/labels/labels.js';
import { checkBackend } from '../compute/open/backend-check.js';
import type { GpuUse } from '../compute/open/backend-choice.js';
import { checkGpuUse } from '../compute/open/gpu-use.js';
import { openRunLabels } from '../compute/open/run-labels.js';
import { Ensemble } from '../compute/teachers/ensemble.js';
import { onnxFormat } from '../compute/teachers/formats/onnx.js';
import type { OpenTensorFlow } from '../compute/teachers/formats/teacher.js';
import { ArtifactCache } from '../link/artifact-cache.js';
import type { CoordinatorClient } from '../link/coordinator-client.js';
import { readJson } from '../link/run-files.js';
import { openCoordinatorLabels } from './coordinator-labels.js';
import type { LabelMaker } from './label-client.js';

export interface LabelJobOptions {
  readonly client: CoordinatorClient;
  /** This worker, to which the coordinator leases blocks. */
  readonly maker: LabelMaker;
  readonly cacheFolder: string;
  readonly storage: LabelStorage;
  readonly backend: 'wasm' | 'native';
  /** Name of the GPU that the backend computes on; null where the CPU does. */
  readonly gpu: string | null;
  /** Absent: there is no GPU. */
  readonly gpuUse?: GpuUse;
  readonly openTensorFlow: OpenTensorFlow;
  /** Ends what is asked of servers at once. */
  readonly stop?: AbortSignal;
  readonly log: (line: string) => void;
}

interface Parts {
  readonly recipe: Recipe;
  readonly labels: Labels;
  readonly samples: Samples;
  readonly ensemble: Ensemble;
  /** Micro-batches that are labelled at a time. */
  readonly atOnce: number;
}

export class LabelJob {
  readonly #parts: Parts;

  private constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * @throws UserError 77 for a run that this worker is not for, 65 for teachers that cannot be used, 69 for files that
   * cannot be had
   */
  static async open(run: LabelRun, options: LabelJobOptions): Promise<LabelJob> {
    const { client, maker, storage, log } = options;
    const cache = new ArtifactCache({ cacheFolder: options.cacheFolder, client });
    const recipe = parsed(recipeSchema, run.recipe, 'recipe');
    checkBackend({ name: options.backend }, { wanted: recipe.numerics.backend, engine: null, teachers: run.teachers });
    if (options.gpuUse !== undefined)
      checkGpuUse(options.gpuUse, { gpu: options.gpu, engine: null, teachers: run.teachers, warn: log });
    const manifest = await readJson(cache, run.manifest, manifestSchema);
    cache.announce(artifactsOf(manifest), shardsOf(manifest));
    const ensemble = await openEnsemble(run, { recipe, manifest, cache }, options);
    const labels = openRunLabels({
      source: {
        recipe,
        teachers: run.teachers,
        manifest,
        routes: await openRoutes(manifest.train, (sha256) => cache.fetchAnnounced(sha256)),
      },
      ensemble: async () => ensemble,
      storage,
      warn: log,
      sharedLabels: openCoordinatorLabels(client, maker, 'label'),
    });
    if (labels === null)
      throw new UserError('no loss of this run wants soft labels: there is nothing to label', exitCodes.refused);
    const samples = trainSamples(recipe, manifest, (sha256) => cache.fetchAnnounced(sha256));
    log(`labelling ${counted(manifest.train.samples, 'sample')} by ${run.teachers.map(({ name }) => name).join(', ')}`);
    return new LabelJob({ recipe, labels, samples, ensemble, atOnce: atOnceFor(run.teachers) });
  }

  /** Samples labelled so far. */
  get labelled(): number {
    return this.#parts.labels.counts.computed;
  }

  /** Labels a block, micro-batch by micro-batch, and sends it to the coordinator; the rest is left at a stop. */
  async label({ view, block }: Extract<LabelLease, { type: 'lease' }>, stop: AbortSignal): Promise<void> {
    const { recipe, labels, samples, atOnce } = this.#parts;
    const { first, rows } = labels.plan.at(block);
    const step = recipe.batch.micro ?? recipe.batch.size;
    const queue = new PQueue({ concurrency: atOnce });
    const micro = async (from: number): Promise<void> => {
      if (stop.aborted) return;
      const ids = Uint32Array.from({ length: Math.min(step, first + rows - from) }, (_, i) => from + i);
      await labels.get(ids, await samples.gather(ids, view), view);
    };
    const starts = Array.from({ length: Math.ceil(rows / step) }, (_, i) => first + i * step);
    try {
      await queue.addAll(starts.map((from) => () => micro(from)));
    } catch (error) {
      queue.clear();
      await queue.onIdle();
      throw error;
    }
    await labels.sent();
  }

  /** Keeps what was labelled and frees the teachers. */
  async close(): Promise<void> {
    await this.#parts.labels.close();
    await this.#parts.ensemble.dispose();
  }
}

/** Servers are asked for several micro-batches at a time; what computes here does one after the other. */
function atOnceFor(teachers: LabelRun['teachers']): number {
  const isOnThread = teachers.every(({ format, served }) => served !== undefined || format === onnxFormat.name);
  return isOnThread ? Math.max(1, ...teachers.map(({ served }) => served?.concurrency ?? 1)) : 1;
}

interface EnsembleParts {
  readonly recipe: Recipe;
  readonly manifest: Manifest;
  readonly cache: ArtifactCache;
}

async function openEnsemble(
  run: LabelRun,
  { recipe, manifest, cache }: EnsembleParts,
  { openTensorFlow, log, stop }: LabelJobOptions,
): Promise<Ensemble> {
  const files = run.teachers.flatMap((teacher) => teacher.files);
  const paths = new Map(await Promise.all(files.map(async (file) => [file.sha256, await cache.fetch(file)] as const)));
  return Ensemble.open(run.teachers, paths, {
    ...ensembleFormOf(recipe, run.teachers, manifest.train.shape),
    temperature: baseTemperature(recipe.losses),
    openTensorFlow,
    stop,
    warn: log,
  });
}

function parsed<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (!result.success)
    throw new UserError(
      `the coordinator's ${what} is not one of this version: ${z.prettifyError(result.error)}`,
      exitCodes.refused,
    );
  return result.data;
}
