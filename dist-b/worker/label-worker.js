/**
 * A worker that only labels: it holds the teachers and no student, asks the coordinator which block of samples is wanted
 * next, labels it and sends the rows. For teachers that are too big to sit beside the student. It ends when every label is
 * there or the run is over, and waits for a coordinator that is away.
 */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { manifestSchema } from '../shared/data/manifest.js';
import { baseTemperature } from '../shared/recipe/terms.js';
import { Samples } from '../shared/data/samples.js';
import { exitCodes, ProtocolError, UserError } from '../shared/errors.js';
import { labelLeaseSchema, labelRunSchema } from '../shared/labels/lease.js';
import { labelKinds } from '../shared/labels/sets.js';
import { recipeSchema } from '../shared/recipe/schema.js';
import { coordinatorAddress } from './address.js';
import { ArtifactCache } from './artifact-cache.js';
import { Ensemble } from './teachers/ensemble.js';
import { openRunLabels } from './teachers/run-labels.js';
const pollMs = 500;
const patienceMs = 20_000;
/** Labels until nothing is left. @throws UserError 69 without a coordinator, 77 when it refuses, 65 for teachers that cannot be used */
export async function runLabelWorker(options) {
    return whileParentLives(options, (stop) => labelUntilDone({ ...options, stop }));
}
async function whileParentLives(options, work) {
    if (!options.local)
        return work(options.stop);
    const orphaned = new AbortController();
    const onEnd = () => orphaned.abort('its parent process ended');
    process.stdin.on('end', onEnd).on('close', onEnd).resume();
    try {
        return await work(AbortSignal.any([options.stop, orphaned.signal]));
    }
    finally {
        process.stdin.off('end', onEnd).off('close', onEnd).pause();
    }
}
async function labelUntilDone(options) {
    const desk = new RemoteDesk(options);
    for (;;) {
        const run = await desk.run();
        if (run === null)
            return exitCodes.stopped;
        const work = await openWork(run, options, desk.worker);
        try {
            const outcome = await labelAll(work, desk, options.stop);
            if (outcome === 'stopped')
                return exitCodes.stopped;
            if (outcome === 'done') {
                options.log(`labels: all are there; ${work.labels.counts.computed} of them were made here`);
                return exitCodes.done;
            }
        }
        finally {
            await work.close();
        }
    }
}
/** `lost`: the coordinator is away, or at another run. */
async function labelAll({ labels, samples, recipe }, desk, stop) {
    const kinds = labelKinds(recipe);
    const rows = recipe.batch.micro ?? recipe.batch.size;
    while (!stop.aborted) {
        const lease = await desk.lease();
        if (lease === null)
            return 'lost';
        if (lease.type === 'done')
            return 'done';
        if (lease.type === 'wait')
            await sleep(pollMs, stop);
        else {
            const { first = 0, rows: count = 0 } = labels.plan.blocks[lease.block] ?? {};
            for (let from = first; from < first + count && !stop.aborted; from += rows) {
                const ids = Uint32Array.from({ length: Math.min(rows, first + count - from) }, (_, i) => from + i);
                await labels.get(ids, (await samples.gather(ids)).inputs, lease.view, kinds);
            }
            await labels.sent();
        }
    }
    return 'stopped';
}
async function openWork(run, options, worker) {
    const { cacheFolder, token, home, log } = options;
    const address = coordinatorAddress(options.url);
    const cache = new ArtifactCache({ cacheFolder, source: address.artifacts, token });
    const recipe = parsed(recipeSchema, run.recipe, 'recipe');
    if (recipe.numerics.backend !== 'auto' && recipe.numerics.backend !== options.backend) {
        throw new UserError(`this worker's backend is ${options.backend}, the recipe wants ${recipe.numerics.backend}: start the worker with --backend ${recipe.numerics.backend}`, exitCodes.refused);
    }
    const manifest = parsed(manifestSchema, JSON.parse(await readFile(await cache.fetch(run.manifest), 'utf8')), 'manifest');
    const ensemble = await openEnsemble(run, { recipe, manifest, cache, options });
    const source = { recipe, teachers: run.teachers, manifest };
    const labels = openRunLabels({ source, ensemble: async () => ensemble, home, warn: log, peers: { address: address.labels, token, worker } });
    if (labels === null)
        throw new UserError('no loss of this run wants soft labels: there is nothing to label', exitCodes.refused);
    const samples = new Samples(manifest.train, manifest.preprocess, (sha256) => cache.fetch({ sha256 }));
    log(`labelling ${manifest.train.samples} samples by ${run.teachers.map(({ name }) => name).join(', ')}`);
    const close = async () => {
        await labels.close();
        await ensemble.dispose();
    };
    return { labels, samples, recipe, close };
}
async function openEnsemble(run, { recipe, manifest, cache, options }) {
    const files = run.teachers.flatMap((teacher) => teacher.files);
    const paths = new Map(await Promise.all(files.map(async (file) => [file.sha256, await cache.fetch(file)])));
    return Ensemble.open(run.teachers, paths, {
        combine: recipe.ensemble.combine, rows: recipe.batch.micro ?? recipe.batch.size, inputShape: manifest.train.shape,
        temperature: baseTemperature(recipe.losses), openTensorFlow: options.openTensorFlow, warn: options.log,
    });
}
function parsed(schema, value, what) {
    const result = schema.safeParse(value);
    if (!result.success)
        throw new UserError(`the coordinator's ${what} is not one of this version: ${z.prettifyError(result.error)}`, exitCodes.refused);
    return result.data;
}
/** The coordinator as it is asked for work. */
class RemoteDesk {
    /** This process's name. */
    worker = randomUUID();
    #options;
    #heardMs = performance.now();
    constructor(options) {
        this.#options = options;
    }
    /** The run, once there is one with labels to make; null when asked to stop before. @throws UserError 69 after the wait */
    async run() {
        const { stop, url, waitSeconds, log } = this.#options;
        for (let isTold = false; !stop.aborted; isTold = true) {
            const run = await this.#ask('run', labelRunSchema);
            if (run !== null)
                return run;
            const text = coordinatorAddress(url).text;
            if (performance.now() - this.#heardMs > 1000 * waitSeconds)
                throw new UserError(`${text}: no coordinator that wants labels for ${waitSeconds} s`, exitCodes.unavailable);
            if (!isTold)
                log(`waiting for ${text} to want labels`);
            await sleep(pollMs, stop);
        }
        return null;
    }
    async lease() {
        return this.#ask('lease', labelLeaseSchema, { method: 'POST', body: JSON.stringify({ worker: this.worker }) });
    }
    /** Null while it does not answer, or has no labels to make. @throws UserError 77 when it refuses */
    async #ask(path, schema, init = {}) {
        const { url, token } = this.#options;
        const headers = token === null ? {} : { authorization: `Bearer ${token}` };
        try {
            const response = await fetch(new URL(path, coordinatorAddress(url).labels), { ...init, headers, signal: AbortSignal.timeout(patienceMs) });
            const body = await response.json();
            if (response.status === 401 || response.status === 403)
                throw new UserError(`the coordinator refused this worker (${response.status}): token missing or wrong`, exitCodes.refused);
            if (!response.ok)
                return null;
            this.#heardMs = performance.now();
            return schema.parse(body);
        }
        catch (error) {
            if (error instanceof z.ZodError)
                throw new ProtocolError(`the coordinator's answer to ${path}: ${z.prettifyError(error)}`);
            if (error instanceof TypeError || error instanceof SyntaxError || error instanceof DOMException)
                return null;
            throw error;
        }
    }
}
function sleep(ms, stop) {
    return new Promise((resolve) => {
        const end = () => {
            clearTimeout(timer);
            stop.removeEventListener('abort', end);
            resolve();
        };
        const timer = setTimeout(end, ms);
        stop.addEventListener('abort', end);
    });
}
//# sourceMappingURL=label-worker.js.map