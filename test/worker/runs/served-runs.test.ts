/**
 * Runs whose teacher is on a server: the same bits as with the model itself, its answers kept, and no server needed by a
 * second run.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { stringify } from 'yaml';
import { identityOf } from '../../../coordinator/store/resolved-recipe.js';
import { knownOf, openRunFolder, resolveRunFolder } from '../../../coordinator/store/run-folder.js';
import type { PreparedRun } from '../../../coordinator/plan/prepared-run.js';
import { labelSets } from '../../../shared/labels/sets.js';
import type { LabelStorage } from '../../../shared/labels/storage.js';
import { openWholeRun } from '../../../cli/whole-run.js';
import { lookAtTeachers } from '../../../cli/prepare/teacher-look.js';
import { openWasm } from '../../../worker/compute/backends/wasm/wasm.js';
import { runLabelWorker } from '../../../worker/labels/label-worker.js';
import { referenceFolder } from '../compute/teachers/fixtures.js';
import { startModelServer, type TestModelServer } from '../compute/teachers/model-server.js';
import { temporaryFolder } from '../fakes.js';
import { prepareAgain, prepared, samples, whole } from './real-runs.js';

const student = { builtin: 'mlp', hidden: [8] };
const path = join(referenceFolder, 'tiny.onnx');
const folders: string[] = [];
const servers: TestModelServer[] = [];
beforeEach(() => {
  const cache = temporaryFolder();
  folders.push(cache);
  vi.stubEnv('STILLHOUSE_CACHE', cache);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const server of servers.splice(0)) await server.stop();
  folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true, force: true }));
});

function storageOf(): LabelStorage {
  const folder = temporaryFolder();
  folders.push(folder);
  return { folder, maxBytes: 2 ** 30 };
}

async function serve(...options: Parameters<typeof startModelServer>): Promise<TestModelServer> {
  const server = await startModelServer(...options);
  servers.push(server);
  return server;
}

/** The run's recipe with its first teacher alone: in its file, or on a server. */
function recipeOf({ recipe }: PreparedRun, teacher: Record<string, unknown>): PreparedRun['recipe'] {
  const [first] = recipe.teachers;
  const { model: _model, ...rest } = first ?? { name: 'wide', model: '', weight: 1, output: 'logits' as const };
  return { ...recipe, teachers: [{ ...rest, ...teacher }], labels: { ...recipe.labels, wait: true } };
}

const requestTo = (url: string): Record<string, unknown> => ({
  url,
  request: { deadlineSeconds: 10, retries: 0, concurrency: 3, plainHttp: false },
});

async function labeller(port: number): Promise<number> {
  const { tf } = await openWasm();
  return runLabelWorker({
    url: `ws://127.0.0.1:${port}`,
    token: 'secret',
    cacheFolder: storageOf().folder,
    storage: storageOf(),
    waitSeconds: 5,
    local: false,
    stop: new AbortController().signal,
    log: () => undefined,
    backend: 'wasm',
    gpu: null,
    openTensorFlow: async () => tf,
  });
}

async function trained(run: PreparedRun, labels: LabelStorage) {
  const helps: Promise<number>[] = [];
  const result = await whole(run, 2, {
    labels,
    workerLabels: storageOf,
    onListening: (port) => void helps.push(labeller(port)),
  });
  expect(await Promise.all(helps)).toEqual([0]);
  return result;
}

describe('a run with a teacher on a server', () => {
  it('has the bits of a run with its model, and a second one needs no server', async () => {
    const plain = await prepared(student);
    const near = await trained(await prepareAgain(plain, recipeOf(plain, { model: path })), storageOf());
    const server = await serve(path);
    const recipe = recipeOf(plain, requestTo(server.url));
    const run = await prepareAgain(plain, recipe);
    const looked: string[] = [];
    const look = { isJudged: true, warn: (line: string) => void looked.push(line), say: () => undefined };
    await lookAtTeachers(run, look);
    const labels = storageOf();
    const far = await trained(run, labels);
    expect(far.summary.digest).toBe(near.summary.digest);
    expect(server.mostAtOnce).toBeGreaterThan(1);
    expect(server.mostAtOnce).toBeLessThanOrEqual(3);
    const asked = server.asked.length;
    await servers.splice(0)[0]?.stop();

    const warned: string[] = [];
    const again = await prepareAgain(plain, recipe, (line) => void warned.push(line));
    expect(warned).toContainEqual(expect.stringMatching(/cannot be reached .*; it is taken to be what it was last$/));
    expect(labelSets(again).map(({ key }) => key)).toEqual(labelSets(run).map(({ key }) => key));
    await lookAtTeachers(again, look);
    expect(looked.filter((line) => line.includes('reached'))).toEqual([]);
    const warm = await trained(again, labels);
    expect(warm.summary.digest).toBe(near.summary.digest);
    expect(warm.said).toContain(`labels: ${samples} of ${samples} read from the cache`);
    expect(server.asked.length).toBe(asked);
  }, 120_000);

  it('has other labels for another version and another answer to the known sample, not for another address', async () => {
    const plain = await prepared(student);
    const keysAt = async (options: Parameters<typeof serve>[1]): Promise<string[]> => {
      const { url } = await serve(path, options);
      const run = await prepareAgain(plain, recipeOf(plain, requestTo(url)));
      return labelSets(run).map(({ key }) => key);
    };
    const first = await keysAt({});
    expect(await keysAt({})).toEqual(first);
    expect(await keysAt({ isBinary: false })).toEqual(first);
    expect(await keysAt({ version: '4', versions: ['4'] })).not.toEqual(first);
    const change = (values: Float32Array, shape: number[]) => ({ values: values.map((u) => 2 * u), shape });
    expect(await keysAt({ change })).not.toEqual(first);
  }, 60_000);

  it('is refused where it goes on and its model is another under the same name and version, and mixes no labels', async () => {
    const plain = await prepared(student);
    const server = await serve(path);
    const recipe = recipeOf(plain, requestTo(server.url));
    const run = await prepareAgain(plain, recipe);
    const out = temporaryFolder();
    folders.push(out);
    const folder = await openRunFolder(out, identityOf(run));
    await folder.write('recipe.yaml', identityOf(run).recipeText);
    await folder.close();
    const { served } = await knownOf(out);
    const keysOf = (of: PreparedRun): string[] => [of.recipeDigest, ...labelSets(of).map(({ key }) => key)];

    // Last bits may differ, with the cache as without it.
    server.behaviour.change = (values, shape) => ({ values: values.map((u) => u * (1 + 2 ** -20)), shape });
    expect(keysOf(await prepareAgain(plain, recipe))).toEqual(keysOf(run));
    vi.stubEnv('STILLHOUSE_CACHE', out);
    expect(keysOf(await prepareAgain(plain, recipe, undefined, served))).toEqual(keysOf(run));

    server.behaviour.change = (values, shape) => ({ values: values.map((u) => 2 * u), shape });
    await expect(prepareAgain(plain, recipe, undefined, served)).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringMatching(
        /^teacher wide: the model at http:\S+ gives for a known sample \S+ as output 0, and gave \S+ when this run began: it is another one under the same name and version; that of the run wanted, or another --out$/,
      ) as string,
    });
    vi.stubEnv('STILLHOUSE_CACHE', folders[0]);
    const warned: string[] = [];
    const other = await prepareAgain(plain, recipe, (line) => void warned.push(line));
    expect(warned).toContainEqual(expect.stringMatching(/is another one than before, .*; its labels are made anew$/));
    expect(keysOf(other).filter((key) => keysOf(run).includes(key))).toEqual([]);
    await expect(resolveRunFolder(out, identityOf(other))).rejects.toMatchObject({
      message: expect.stringMatching(/digests\.served\.wide\.answer: "[^ ]{12,}" there, /),
    });
  }, 60_000);

  it('is refused by the command line in the folder of its run', async () => {
    const plain = await prepared(student);
    const server = await serve(path);
    const { name: _name, ...recipe } = recipeOf(plain, requestTo(server.url));
    const file = join(plain.recipeFolder, 'far.yaml');
    writeFileSync(file, stringify(recipe));
    const flags = { set: [], out: join(plain.recipeFolder, 'run'), quiet: true };
    const { run, out } = await openWholeRun(file, flags);
    const folder = await openRunFolder(out, identityOf(run));
    await folder.write('recipe.yaml', identityOf(run).recipeText);
    await folder.close();
    expect((await openWholeRun(file, flags)).run.recipeDigest).toBe(run.recipeDigest);
    server.behaviour.change = (values, shape) => ({ values: values.map((u) => 2 * u), shape });
    await expect(openWholeRun(file, flags)).rejects.toMatchObject({
      exitCode: 65,
      message: expect.stringContaining('another one under the same name and version') as string,
    });
  }, 60_000);

  it('stops a label worker where the server gives what is no number, and where its model has changed', async () => {
    const plain = await prepared(student);
    const server = await serve(path);
    const run = await prepareAgain(plain, recipeOf(plain, requestTo(server.url)));
    server.behaviour.change = (values, shape) => ({ values: values.map((u) => u + 1), shape });
    await expect(labelled(run)).rejects.toThrow(/teacher wide: on a known sample it gives .* as where the run was prepared/);
    server.behaviour.change = (values, shape) => ({ values: server.asked.length % 2 === 0 ? values : values.fill(NaN), shape });
    await expect(labelled(run)).rejects.toThrow(/teacher wide: (it gives NaN|on a known sample it gives NaN)/);
  }, 60_000);

  it('must be told what its server does not say', async () => {
    const plain = await prepared(student);
    const { url } = await serve(path, { isDescribed: false });
    const { request } = requestTo(url);
    const { inputs } = (await prepareAgain(plain, recipeOf(plain, { model: path }))).teachers[0] ?? {};
    expect(inputs).toBeUndefined();
    await expect(prepareAgain(plain, recipeOf(plain, requestTo(url)))).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining('input, outputName, request.datatype and request.shape wanted'),
    });
    const told = { ...requestTo(url), input: 'input', outputName: 'logits' };
    const said = { ...(request as object), datatype: 'FP32', shape: [-1, -1, -1, -1] };
    const run = await prepareAgain(plain, recipeOf(plain, { ...told, request: said }));
    expect(run.teachers[0]?.files.map(({ name }) => name)).toEqual(['served-model.json']);
  }, 60_000);
});

/** The error of a label worker beside a coordinator that goes on waiting. */
async function labelled(run: PreparedRun): Promise<number> {
  const stop = new AbortController();
  const { makeLabels } = await import('../../../coordinator/labels/label-only.js');
  const { oneToken } = await import('../../../shared/access/credentials.js');
  const port = await new Promise<number>((resolve) => {
    makeLabels(run, {
      listen: { host: '127.0.0.1', port: 0 },
      credentials: oneToken('secret'),
      labels: storageOf(),
      out: undefined,
      stopSignal: stop.signal,
      say: () => undefined,
      onListening: resolve,
    }).catch(() => undefined);
  });
  return labeller(port).finally(() => stop.abort('enough'));
}
