/**
 * A worker that only labels: it holds the teachers and no student, asks the coordinator which block of samples is
 * wanted next, labels it and sends the rows. For teachers that are too big to sit beside the student. It ends when
 * every label is there or the run is over, and waits for a coordinator that is away.
 */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { manifestSchema, type Manifest } from '../../shared/data/manifest.js';
import { baseTemperature } from '../../shared/recipe/terms.js';
import { trainSamples, type Samples } from '../../shared/data/samples.js';
import { exitCodes, ProtocolError, UserError, type ExitCode } from '../../shared/errors.js';
import { ensembleFormOf } from '../../shared/labels/ensemble-digest.js';
import type { LabelHome } from '../../shared/labels/home.js';
import { labelKinds } from '../../shared/labels/sets.js';
import {
  labelLeaseSchema,
  labelRunSchema,
  type LabelLease,
  type LabelRun,
  type LeaseRequest,
} from '../../shared/protocol/label-messages.js';
import { recipeSchema, type Recipe } from '../../shared/recipe/schema.js';
import { coordinatorAddress } from '../link/address.js';
import { ArtifactCache } from '../link/artifact-cache.js';
import { checkBackend } from '../compute/open/backend-check.js';
import { Ensemble } from '../compute/teachers/ensemble.js';
import type { Labels } from '../compute/labels/labels.js';
import { openCoordinatorLabels } from './coordinator-labels.js';
import { openRunLabels } from '../compute/open/run-labels.js';
import type { OpenTensorFlow } from '../compute/teachers/formats/teacher.js';

export interface LabelWorkerOptions {
  readonly url: string;
  readonly token: string | null;
  readonly cacheFolder: string;
  readonly home: LabelHome;
  /** Seconds without a coordinator, at the start or later, after which the worker gives up. */
  readonly waitSeconds: number;
  readonly stop: AbortSignal;
  /** Ends with its parent: when standard input, which the parent holds, closes. */
  readonly local: boolean;
  readonly log: (line: string) => void;
  readonly backend: 'wasm' | 'native';
  readonly openTensorFlow: OpenTensorFlow;
}

interface Work {
  readonly labels: Labels;
  readonly samples: Samples;
  readonly recipe: Recipe;
  readonly close: () => Promise<void>;
}

const pollMs = 500;
const patienceMs = 20_000;

/**
 * Labels until nothing is left. @throws UserError 69 without a coordinator, 77 when it refuses, 65 for teachers that
 * cannot be used
 */
export async function runLabelWorker(options: LabelWorkerOptions): Promise<ExitCode> {
  return whileParentLives(options, (stop) => labelUntilDone({ ...options, stop }));
}

async function whileParentLives(
  options: LabelWorkerOptions,
  work: (stop: AbortSignal) => Promise<ExitCode>,
): Promise<ExitCode> {
  if (!options.local) return work(options.stop);
  const orphaned = new AbortController();
  const onEnd = (): void => orphaned.abort('its parent process ended');
  process.stdin.on('end', onEnd).on('close', onEnd).resume();
  try {
    return await work(AbortSignal.any([options.stop, orphaned.signal]));
  } finally {
    process.stdin.off('end', onEnd).off('close', onEnd).pause();
  }
}

async function labelUntilDone(options: LabelWorkerOptions): Promise<ExitCode> {
  const desk = new RemoteDesk(options);
  for (;;) {
    const run = await desk.run();
    if (run === null) return exitCodes.stopped;
    const work = await openWork(run, options, desk.worker);
    try {
      const outcome = await labelAll(work, desk, options.stop);
      if (outcome === 'stopped') return exitCodes.stopped;
      if (outcome === 'done') {
        options.log(`labels: no more are wanted; ${work.labels.counts.computed} were made here`);
        return exitCodes.done;
      }
    } finally {
      await work.close();
    }
  }
}

/** `lost`: the coordinator is away, or at another run. */
async function labelAll(
  { labels, samples, recipe }: Work,
  desk: RemoteDesk,
  stop: AbortSignal,
): Promise<'done' | 'lost' | 'stopped'> {
  const kinds = labelKinds(recipe);
  const rows = recipe.batch.micro ?? recipe.batch.size;
  const isStopped = (): boolean => stop.aborted;
  while (!isStopped()) {
    const lease = await desk.lease();
    if (lease === null) return 'lost';
    if (lease.type === 'done') return 'done';
    if (lease.type === 'wait') await sleep(pollMs, stop);
    else {
      const { first = 0, rows: count = 0 } = labels.plan.blocks[lease.block] ?? {};
      for (let from = first; from < first + count && !isStopped(); from += rows) {
        const ids = Uint32Array.from({ length: Math.min(rows, first + count - from) }, (_, i) => from + i);
        await labels.get(ids, await samples.gather(ids, lease.view), lease.view, kinds);
      }
      await labels.sent();
    }
  }
  return 'stopped';
}

async function openWork(run: LabelRun, options: LabelWorkerOptions, worker: string): Promise<Work> {
  const { cacheFolder, token, home, log } = options;
  const address = coordinatorAddress(options.url);
  const cache = new ArtifactCache({ cacheFolder, source: address.artifacts, token });
  const recipe = parsed(recipeSchema, run.recipe, 'recipe');
  checkBackend(options.backend, { wanted: recipe.numerics.backend, teachers: run.teachers });
  const manifest = parsed(
    manifestSchema,
    JSON.parse(await readFile(await cache.fetch(run.manifest), 'utf8')),
    'manifest',
  );
  const ensemble = await openEnsemble(run, { recipe, manifest, cache, options });
  const source = { recipe, teachers: run.teachers, manifest };
  const labels = openRunLabels({
    source,
    ensemble: async () => ensemble,
    home,
    warn: log,
    sharedLabels: openCoordinatorLabels({ address: address.labels, token, worker }),
  });
  if (labels === null)
    throw new UserError('no loss of this run wants soft labels: there is nothing to label', exitCodes.refused);
  const samples = trainSamples(recipe, manifest, (sha256) => cache.fetch({ sha256 }));
  log(`labelling ${manifest.train.samples} samples by ${run.teachers.map(({ name }) => name).join(', ')}`);
  const close = async (): Promise<void> => {
    await labels.close();
    await ensemble.dispose();
  };
  return { labels, samples, recipe, close };
}

interface EnsembleParts {
  readonly recipe: Recipe;
  readonly manifest: Manifest;
  readonly cache: ArtifactCache;
  readonly options: LabelWorkerOptions;
}

async function openEnsemble(run: LabelRun, { recipe, manifest, cache, options }: EnsembleParts): Promise<Ensemble> {
  const files = run.teachers.flatMap((teacher) => teacher.files);
  const paths = new Map(await Promise.all(files.map(async (file) => [file.sha256, await cache.fetch(file)] as const)));
  return Ensemble.open(run.teachers, paths, {
    ...ensembleFormOf(recipe, run.teachers, manifest.train.shape),
    temperature: baseTemperature(recipe.losses),
    openTensorFlow: options.openTensorFlow,
    warn: options.log,
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

/** The coordinator as it is asked for work. */
class RemoteDesk {
  /** This process's name. */
  readonly worker = randomUUID();
  readonly #options: LabelWorkerOptions;
  #heardMs = performance.now();

  constructor(options: LabelWorkerOptions) {
    this.#options = options;
  }

  /**
   * The run, once there is one with labels to make; null when asked to stop before. @throws UserError 69 after the wait
   */
  async run(): Promise<LabelRun | null> {
    const { stop, url, waitSeconds, log } = this.#options;
    for (let isTold = false; !stop.aborted; isTold = true) {
      const run = await this.#ask('run', labelRunSchema);
      if (run !== null) return run;
      const text = coordinatorAddress(url).text;
      if (performance.now() - this.#heardMs > 1000 * waitSeconds)
        throw new UserError(`${text}: no coordinator that wants labels for ${waitSeconds} s`, exitCodes.unavailable);
      if (!isTold) log(`waiting for ${text} to want labels`);
      await sleep(pollMs, stop);
    }
    return null;
  }

  async lease(): Promise<LabelLease | null> {
    const request: LeaseRequest = { worker: this.worker };
    return this.#ask('lease', labelLeaseSchema, { method: 'POST', body: JSON.stringify(request) });
  }

  /** Null while it does not answer, or has no labels to make. @throws UserError 77 when it refuses */
  async #ask<T>(path: string, schema: z.ZodType<T>, init: { method?: string; body?: string } = {}): Promise<T | null> {
    const { url, token } = this.#options;
    const headers: Record<string, string> = token === null ? {} : { authorization: `Bearer ${token}` };
    try {
      const response = await fetch(new URL(path, coordinatorAddress(url).labels), {
        ...init,
        headers,
        signal: AbortSignal.timeout(patienceMs),
      });
      const body: unknown = await response.json();
      if (response.status === 401 || response.status === 403)
        throw new UserError(
          `the coordinator refused this worker (${response.status}): token missing or wrong`,
          exitCodes.refused,
        );
      if (!response.ok) return null;
      this.#heardMs = performance.now();
      return schema.parse(body);
    } catch (error) {
      if (error instanceof z.ZodError)
        throw new ProtocolError(`the coordinator's answer to ${path}: ${z.prettifyError(error)}`);
      if (error instanceof TypeError || error instanceof SyntaxError || error instanceof DOMException) return null;
      throw error;
    }
  }
}

function sleep(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      stop.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    stop.addEventListener('abort', end);
  });
}
