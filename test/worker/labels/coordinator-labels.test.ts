/** The coordinator's label service over HTTP, and a worker that shares its labels there. */
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { oneToken } from '../../../shared/access/credentials.js';
import { listen, type Admission } from '../../../coordinator/server/server.js';
import { LabelRequests } from '../../../coordinator/labels/requests.js';
import { LabelService, type LabelFinding } from '../../../coordinator/labels/service.js';
import { openLabelBlocks, type LabelBlocks } from '../../../shared/labels/label-blocks.js';
import type { PreparedRun } from '../../../coordinator/plan/prepared-run.js';
import { contentDigest, encodeRows } from '../../../shared/protocol/label-messages.js';
import { recipeSchema } from '../../../shared/recipe/schema.js';
import { CoordinatorLabels } from '../../../worker/labels/coordinator-labels.js';
import { LabelClient } from '../../../worker/labels/label-client.js';
import { CoordinatorClient } from '../../../worker/link/coordinator-client.js';
import { specOf } from '../fakes.js';
import { classes, firstSet, labelOf, sourceOf, temporaryFolder } from '../../shared/labels/fixtures.js';

const token = 'secret';
const set = firstSet();
const folders: string[] = [];
const servers: Admission[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
  folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true, force: true }));
});

async function coordinator(folder = temporaryFolder(), audit?: number, liars: readonly string[] = []) {
  folders.push(folder);
  const errors: unknown[] = [];
  const lines: string[] = [];
  const findings: LabelFinding[] = [];
  const onError = (error: unknown): void => void errors.push(error);
  const labels = LabelService.open({
    run: runOf(audit),
    storage: { folder, maxBytes: 1e9 },
    warn: (line) => void lines.push(line),
    onError,
    onAudit: (finding) => void findings.push(finding),
    secret: 'secret',
    liars,
  });
  if (labels === null) throw new Error('no labels');
  const server = await listen({
    host: '127.0.0.1',
    port: 0,
    credentials: oneToken(token),
    labels: new LabelRequests(labels),
    find: () => undefined,
    isReady: () => true,
    onError,
    onWorker: () => undefined,
  });
  servers.push(server);
  const url = `ws://127.0.0.1:${server.port}`;
  return { labels, server, folder, errors, lines, findings, url, address: `http://127.0.0.1:${server.port}/labels/` };
}

function runOf(audit?: number): PreparedRun {
  const artifact = { sha256: 'a'.repeat(64), bytes: 1 };
  const { recipe, teachers, manifest } = sourceOf();
  return {
    recipe: recipeSchema.parse({
      ...recipe,
      student: { builtin: 'mlp' },
      optimizer: { name: 'sgd', learningRate: 1 },
      epochs: 1,
      audit,
    }),
    teachers,
    manifest: { ...manifest, eval: null },
    recipeFolder: '',
    name: 'labels',
    recipeDigest: 'b'.repeat(64),
    student: specOf(1),
    engines: { student: 'tfjs', reason: 'numerics.backend is wasm' },
    initialWeights: new Map(),
    plugins: [],
    artifacts: new Map(),
    studentArtifact: artifact,
    manifestArtifact: artifact,
    trainLabels: new Int32Array(1540),
    sampleAt: (_epoch, position) => 1539 - position,
  };
}

function worker(url: string) {
  const lines: string[] = [];
  const labelBlocks = openLabelBlocks(sourceOf(), { storage: null, memoryBytes: 1e9, warn: () => undefined });
  if (labelBlocks === null) throw new Error('no label blocks');
  return {
    labelBlocks,
    lines,
    peers: new CoordinatorLabels({
      client: new LabelClient(new CoordinatorClient({ url, token }), { worker: 'one', numerics: 'wasm' }),
      labelBlocks,
      warn: (line) => void lines.push(line),
      alive: () => true,
      wait: false,
      gatherMs: 1,
      askMs: 0,
    }),
  };
}

async function addAll(labelBlocks: LabelBlocks, number: number): Promise<number[]> {
  const { first = 0, rows = 0 } = labelBlocks.plan.blocks[number] ?? {};
  const block = await labelBlocks.open(0, number);
  const all = Array.from({ length: rows }, (_, row) => row);
  for (const row of all) block.add(row, labelOf(first + row), 0);
  return all;
}
const message = (
  ids: readonly number[],
  change: (row: Float32Array) => void = () => undefined,
): Uint8Array<ArrayBuffer> =>
  encodeRows(
    ids.map((id) => {
      const row = labelOf(id);
      change(row);
      return { id, bytes: new Uint8Array(row.buffer) };
    }),
    4 * classes,
  );

interface Put {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly key?: string;
  readonly digest?: string;
  readonly token?: string;
  /** Who sends it, and what its bits depend on. */
  readonly maker?: readonly [worker: string, numerics: string];
}
async function put(address: string, put: Put): Promise<number> {
  return (await answerTo(address, put)).status;
}
async function answerTo(
  address: string,
  { body, key = set.key, digest = contentDigest(body), token: given = token, maker }: Put,
): Promise<Response> {
  const [worker, numerics] = maker ?? [];
  return fetch(`${address}${key}`, {
    method: 'PUT',
    body,
    headers: {
      'content-digest': digest,
      authorization: `Bearer ${given}`,
      ...(worker === undefined || numerics === undefined
        ? {}
        : { 'x-stillhouse-worker': worker, 'x-stillhouse-numerics': numerics }),
    },
  });
}
const changed = (row: Float32Array): void => row.set([row[1] ?? 0, row[0] ?? 0]);

describe('labels at the coordinator', () => {
  it('are leased to workers that only label until no more are wanted', async () => {
    const { address, labels } = await coordinator();
    const lease = async (): Promise<unknown> =>
      (
        await fetch(`${address}lease`, {
          method: 'POST',
          body: '{"worker":"one"}',
          headers: { authorization: `Bearer ${token}` },
        })
      ).json();
    expect(await lease()).toMatchObject({ type: 'lease' });
    labels.endLeases();
    expect(await lease()).toEqual({ type: 'done' });
  });

  it('come from one worker and go to another, to the bit', async () => {
    const { labels, url } = await coordinator();
    const one = worker(url);
    one.peers.offer(0, 2, await addAll(one.labelBlocks, 2));
    await one.peers.close();
    const other = worker(url);
    await other.peers.ask(
      0,
      new Map([
        [2, [0]],
        [1, [0]],
      ]),
    );
    expect((await other.labelBlocks.open(0, 2)).bytes).toEqual((await one.labelBlocks.open(0, 2)).bytes);
    expect((await other.labelBlocks.open(0, 1)).count).toBe(0);
    expect(await labels.kept()).toEqual({ kept: 40, samples: 1540 });
  });

  it('of several workers make one block, and a second answer of other bits is refused', async () => {
    const { address, labels, url } = await coordinator();
    expect(await put(address, { body: message([1500, 1501]) })).toBe(204);
    expect(await put(address, { body: message([1500, 1501]) })).toBe(204);
    const conflict = await answerTo(address, { body: message([1500, 1501, 1502], changed) });
    expect([conflict.status, await conflict.json()]).toEqual([
      409,
      { error: 'sample 1500 and 1 more has another label already, which stays' },
    ]);
    const { labelBlocks, peers } = worker(url);
    await peers.ask(0, new Map([[2, [0]]]));
    const out = new Float32Array(classes);
    (await labelBlocks.open(0, 2)).read(1, out, 0);
    expect(out).toEqual(labelOf(1501));
    expect((await labels.kept()).kept).toBe(3);
  });

  it('are taken no more of who has sent three times what cannot be, nor is it leased to', async () => {
    const { address, labels, lines } = await coordinator();
    const maker = ['liar', 'wasm'] as const;
    const wrong = { body: message([1500, 3], (row) => row.fill(1e30)), maker };
    for (let i = 0; i < 3; i++) expect(await put(address, wrong)).toBe(422);
    expect(await put(address, { body: message([1500]), maker })).toBe(403);
    expect(await put(address, { body: message([1500]), maker: ['honest', 'wasm'] })).toBe(204);
    const lease = await fetch(`${address}lease`, {
      method: 'POST',
      body: '{"worker":"liar"}',
      headers: { authorization: `Bearer ${token}` },
    });
    expect([lease.status, (await labels.kept()).kept]).toEqual([403, 1]);
    expect(lines).toEqual([
      'labels: liar of 127.0.0.1: no more are taken: the label of sample 1500 cannot be: a value of 1.00e+30; at most 1000000000 was wanted',
    ]);
  });

  it.each([
    ['of the same numerics', 'wasm', 403],
    ['of other numerics', 'another processor', 409],
  ])('that differ count against the later sender alone, where it is %s', async (_case, numerics, fourth) => {
    const { address } = await coordinator();
    await put(address, { body: message([1500]), maker: ['first', 'wasm'] });
    const other = { body: message([1500], changed), maker: ['second', numerics] as const };
    for (let i = 0; i < 3; i++) expect(await put(address, other)).toBe(409);
    expect(await put(address, other)).toBe(fourth);
    expect(await put(address, { body: message([1501]), maker: ['first', 'wasm'] })).toBe(204);
  });

  it('of a block that is damaged on the disk are leased once that is found out', async () => {
    const { address, folder, labels } = await coordinator();
    const all = Array.from({ length: 1540 }, (_, id) => id);
    expect(await put(address, { body: message(all) })).toBe(204);
    await labels.close();
    const [file = ''] = readdirSync(join(folder, set.key)).filter((name) => name.startsWith('b'));
    writeFileSync(join(folder, set.key, file), 'x');
    const again = await coordinator(folder);
    const leaseOf = (): Promise<unknown> => again.labels.lease({ worker: 'one', origin: '', numerics: null });
    expect(await leaseOf()).toEqual({ type: 'done' });
    await again.labels.blockBytes(0, 2);
    expect(await leaseOf()).toEqual({ type: 'lease', view: 0, block: 2 });
    expect(again.lines.join()).toContain(`${file} (samples 1500 to 1539, T=4) is damaged`);
  });

  it('wait for a second maker of the same bits where they are audited, and who lies is turned away', async () => {
    const { address, labels, findings, lines } = await coordinator(undefined, 1);
    const by = (worker: string, change?: (row: Float32Array) => void) => ({
      body: message([1500, 1501], change),
      maker: [worker, 'wasm'] as const,
    });
    expect([await put(address, by('liar', changed)), (await labels.kept()).kept]).toEqual([204, 0]);
    expect([await put(address, by('one')), (await labels.kept()).kept]).toEqual([204, 0]);
    expect([await put(address, by('two')), (await labels.kept()).kept]).toEqual([204, 2]);
    expect(await put(address, by('liar'))).toBe(403);
    const text =
      'liar of 127.0.0.1 gave other labels for samples 1500 to 1539 than two others: its device is broken, or it lies; 2 labels of it are thrown away and made anew';
    expect([findings, lines]).toEqual([[{ outcome: 'lie', workers: ['liar'], text }], [`labels: ${text}`]]);
    expect(await put(address, { body: message([1502]), maker: ['one', 'wasm'] })).toBe(204);
    await labels.close();
    expect(lines.at(-1)).toBe('labels: 1 of which no audit has come are not kept');
  });

  it('are taken of nobody whom an audit found to lie under a coordinator before this one', async () => {
    const { address } = await coordinator(undefined, undefined, ['liar']);
    const by = (worker: string) => ({ body: message([1500]), maker: [worker, 'wasm'] as const });
    expect(await put(address, by('liar'))).toBe(403);
    expect(await put(address, by('honest'))).toBe(204);
  });

  it('outlive the coordinator, complete or not', async () => {
    const first = await coordinator();
    await put(first.address, { body: message([3, 1500]) });
    await first.labels.close();
    const second = await coordinator(first.folder);
    expect(await second.labels.lines()).toEqual(['labels: 2 of 1540 read from the cache']);
  });

  it('are on the disk as soon as their block is complete', async () => {
    const { address, folder } = await coordinator();
    await put(address, { body: message(Array.from({ length: 40 }, (_, i) => 1500 + i)) });
    const again = await coordinator(folder);
    await expect.poll(async () => (await again.labels.kept()).kept).toBe(40);
  });

  it('are not fetched in parts while others are at work on the block', async () => {
    const { address, url } = await coordinator();
    const { labelBlocks, peers } = worker(url);
    await peers.ask(0, new Map([[2, [0]]]));
    await put(address, { body: message([1500]) });
    await peers.ask(0, new Map([[2, [0]]]));
    expect((await labelBlocks.open(0, 2)).count).toBe(0);
  });

  it("that a worker's disk has and the coordinator lacks are offered", async () => {
    const { labels, url } = await coordinator();
    const { labelBlocks, peers } = worker(url);
    await addAll(labelBlocks, 2);
    peers.greet();
    await peers.close();
    await expect.poll(async () => (await labels.kept()).kept).toBe(40);
  });

  const nan = message([1500], (row) => row.fill(Number.NaN));
  const wrong: [string, Put, number][] = [
    ['without the token', { body: message([1]), token: 'other' }, 401],
    ['of another set', { body: message([1]), key: 'a'.repeat(64) }, 404],
    ['of another digest', { body: message([1]), digest: contentDigest(message([2])) }, 400],
    ['of a sample beyond the last', { body: message([1540]) }, 422],
    ['that are no numbers', { body: nan }, 422],
    ['cut short', { body: message([1, 2]).slice(0, 20) }, 422],
    ['of no bytes', { body: new Uint8Array(0) }, 422],
    ['more than a message may hold', { body: new Uint8Array(5 * 1024 * 1024) }, 413],
  ];
  it.each(wrong)('%s are refused', async (_case, attempt, status) => {
    const { address, labels, errors } = await coordinator();
    expect(await put(address, attempt)).toBe(status);
    expect((await labels.kept()).kept).toBe(0);
    expect(errors).toEqual([]);
  });

  it.each([
    ['DELETE', set.key, 405],
    ['GET', `${set.key}/99`, 404],
    ['GET', 'nonsense', 404],
    ['POST', 'nonsense', 404],
    ['PUT', `${set.key}/1`, 405],
  ])('%s of %s is refused', async (method, path, status) => {
    const { address } = await coordinator();
    expect((await fetch(`${address}${path}`, { method, headers: { authorization: `Bearer ${token}` } })).status).toBe(
      status,
    );
  });

  it('are done without where the coordinator is away: nothing fails, nothing is said', async () => {
    const { server, url } = await coordinator();
    await server.close();
    const { labelBlocks, peers, lines } = worker(url);
    await peers.ask(0, new Map([[2, [0]]]));
    peers.offer(0, 2, await addAll(labelBlocks, 2));
    await peers.close();
    expect([(await labelBlocks.open(0, 2)).count, lines]).toEqual([40, []]);
  });
});
