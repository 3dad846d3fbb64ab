/**
 * The chart on a cluster of one node: a run in pods comes to the weights of a run without Kubernetes, whether pods and the
 * node are taken away or the release is suspended, and with mutual TLS.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { commitsOf, Program, soon } from '../../bench/programs.js';
import { randomStream } from '../../shared/random.js';
import { digestOf } from '../e2e/processes.js';
import { chart, scratch } from './chart.js';
import { startJobSet } from './jobset.js';
import { OneNode } from './one-node.js';

const folder = scratch();
const at = (name: string): string => join(folder.path, name);
/** Steps of a run that several things happen to, and of one that little happens to: each is to last longer than that. */
const steps = { long: 3072, short: 1536 };
let node: OneNode | undefined;
const digests = { long: '', short: '' };
type Length = keyof typeof steps;

const cluster = (): OneNode => {
  if (node === undefined) throw new Error('the cluster does not run');
  return node;
};
const kubectl = (...args: readonly string[]) => cluster().api.kubectl([...args, '--namespace=lab']);

/** A recipe's folder, as the chart's values have it. */
function recipeFiles(length: Length): Record<string, string> {
  const random = randomStream(['kubernetes']);
  const rows = Array.from({ length: 512 }, () => {
    const values = Array.from({ length: 12 }, () => random.float());
    const [first = 0, second = 0] = [values.slice(0, 6), values.slice(6)].map((half) =>
      half.reduce((sum, x) => sum + x, 0),
    );
    return [...values.map((value) => value.toFixed(4)), Number(first > second)].join();
  });
  const source = '{ format: csv, inputs: rows.csv, header: false, labels: 12 }';
  const recipe = `seed: 8
student: { builtin: mlp, hidden: [48] }
losses: { crossEntropy: { weight: 1 } }
data: { train: ${source}, eval: ${source} }
optimizer: { name: adam, learningRate: 0.002 }
batch: { size: 16, micro: 2 }
epochs: ${steps[length] / 32}
numerics: { backend: wasm }
snapshots: { everySteps: 200 }
`;
  return { 'rows.csv': `${rows.join('\n')}\n`, 'recipe.yaml': recipe };
}

const files = { long: recipeFiles('long'), short: recipeFiles('short') };
const pod = { resources: { requests: { cpu: '100m' } } };
/** No failure is allowed, so none of what the tests do may count as one. */
const values = {
  image: { tag: 'test' },
  coordinator: { ...pod, persistence: { storageClassName: 'local' }, backoffLimit: 0 },
  workers: { ...pod, replicas: 2, backoffLimitPerIndex: 0 },
};

beforeAll(async () => {
  const { STILLHOUSE_TEST_IMAGES: images } = process.env;
  if (images === undefined)
    throw new Error(
      'STILLHOUSE_TEST_IMAGES: not set; a file of docker save with stillhouse:test and its pause was wanted',
    );
  const wanted = Promise.all([alone('long'), alone('short')]);
  wanted.catch(() => undefined);
  node = await OneNode.start(at('node'), images);
  await wanted;
  await node.api.define();
  await startJobSet(node.api, at('jobset'));
  await node.api.kubectl(['create', 'namespace', 'lab']);
  await node.api.kubectl(['label', 'namespace', 'lab', 'pod-security.kubernetes.io/enforce=restricted']);
}, 600_000);

afterAll(async () => {
  await node?.stop();
  folder.remove();
});

/** A run in one process: its digest is what the others must come to. */
async function alone(length: Length): Promise<void> {
  const folderOf = at(`recipe-${length}`);
  mkdirSync(folderOf);
  for (const [name, text] of Object.entries(files[length])) writeFileSync(join(folderOf, name), text);
  await program('run', join(folderOf, 'recipe.yaml'), '--workers', '1', '--out', at(`alone-${length}`));
  digests[length] = digestOf(at(`alone-${length}`));
}

/** Runs the program on this machine, well, to its end. */
async function program(...args: readonly string[]): Promise<void> {
  const { code, stderr } = await new Program(args, { STILLHOUSE_CACHE: at('cache') }).ended;
  expect(code, stderr).toBe(0);
}

const upgrade = (release: string, ...more: readonly string[]): Promise<string> =>
  cluster().api.get('helm', [
    ...['upgrade', '--install', release, chart, '--namespace=lab', '-f', at(`${release}.yaml`)],
    ...more,
  ]);

/** Installs a release with a volume of its own. @returns its run folder */
async function install(release: string, recipe: Record<string, string>, more: object = {}): Promise<string> {
  const volume = await cluster().volume(release);
  writeFileSync(at(`${release}.yaml`), stringify({ ...values, recipe: { files: recipe }, ...more }));
  await upgrade(release);
  await cluster().nameServices('lab');
  return join(volume, 'work/run');
}

/** Resolves once so many more steps of a run are committed, in its middle. */
async function moreCommits(out: string, count: number, length: Length): Promise<void> {
  const wanted = commitsOf(out).length + count;
  while (commitsOf(out).length < wanted) await soon(100);
  expect(commitsOf(out).length, 'the run was over before').toBeLessThan(steps[length]);
}

/** The pods of a component, by name. */
async function podsOf(release: string, component: string): Promise<string[]> {
  const labels = `app.kubernetes.io/instance=${release},app.kubernetes.io/component=${component}`;
  const names = await kubectl('get', 'pods', '-o=name', `--selector=${labels}`);
  return names.split('\n').filter((name) => name !== '');
}

/** Both Jobs are complete, without a failure, and the student has the weights of a run without Kubernetes. */
async function endsWell(release: string, out: string, length: Length): Promise<void> {
  for (const name of ['coordinator', 'worker'])
    await kubectl('wait', '--for=condition=complete', '--timeout=600s', `job/${release}-stillhouse-${name}`);
  expect(digestOf(out)).toBe(digests[length]);
}

describe('a run in pods', () => {
  it('loses a worker, its coordinator and its node', async () => {
    const out = await install('mine', files.long);
    await moreCommits(out, 50, 'long');
    const [worker = ''] = await podsOf('mine', 'worker');
    await kubectl('delete', worker);
    await moreCommits(out, 50, 'long');
    const [coordinator = ''] = await podsOf('mine', 'coordinator');
    await kubectl('delete', coordinator);
    await moreCommits(out, 50, 'long');
    await kubectl('drain', 'node', '--ignore-daemonsets', '--delete-emptydir-data', '--force');
    await kubectl('uncordon', 'node');
    await moreCommits(out, 50, 'long');
    await endsWell('mine', out, 'long');
  });

  it('with mutual TLS is suspended, and goes on', async () => {
    await program('token', '--tls', at('tls'), '--name', 'safe-stillhouse-coordinator');
    for (const side of ['server', 'client']) {
      const secrets = ['ca.pem', `${side}.pem`, `${side}.key`].map((name) => `--from-file=${join(at('tls'), name)}`);
      await kubectl('create', 'secret', 'generic', side, ...secrets);
    }
    const tls = { enabled: true, serverSecret: 'server', clientSecret: 'client' };
    const out = await install('safe', files.short, { tls });
    await moreCommits(out, 50, 'short');
    await upgrade('safe', '--set=suspend=true');
    for (const name of ['coordinator', 'worker'])
      await kubectl('wait', '--for=condition=suspended', '--timeout=60s', `job/safe-stillhouse-${name}`);
    while ((await podsOf('safe', 'coordinator')).length > 0) await soon(200);
    await upgrade('safe');
    await moreCommits(out, 50, 'short');
    await endsWell('safe', out, 'short');
  });

  it('as a JobSet loses a worker, and tells its status by the line that helm prints', async () => {
    const out = await install('plain', files.short, { jobSet: { enabled: true } });
    await moreCommits(out, 10, 'short');
    const notes = await cluster().api.get('helm', ['get', 'notes', 'plain', '--namespace=lab']);
    const [, line = ''] = /^ +workers, pace +kubectl (.*)$/m.exec(notes) ?? [];
    expect(await cluster().api.kubectl(line.split(' '))).toMatch(/\bw1\b[\s\S]*\bw2\b/);
    const [worker = ''] = await podsOf('plain', 'worker');
    await kubectl('delete', worker, '--wait=false');
    await moreCommits(out, 50, 'short');
    await kubectl('wait', '--for=condition=Completed', '--timeout=600s', 'jobset/plain-stillhouse');
    expect(digestOf(out)).toBe(digests.short);
    const jobSet: unknown = JSON.parse(await kubectl('get', 'jobset/plain-stillhouse', '-o=json'));
    expect(jobSet).toMatchObject({ status: { restarts: 0, terminalState: 'Completed' } });
  });

  it('fails at once where no new pod can mend what is wrong', async () => {
    await install('wrong', { 'recipe.yaml': 'student: { builtin: none }\n' });
    await kubectl('wait', '--for=condition=failed', '--timeout=120s', 'job/wrong-stillhouse-coordinator');
    const job: unknown = JSON.parse(await kubectl('get', 'job/wrong-stillhouse-coordinator', '-o=json'));
    const failed = { type: 'Failed', reason: 'PodFailurePolicy' };
    expect(job).toMatchObject({ status: { conditions: expect.arrayContaining([expect.objectContaining(failed)]) } });
  });
});
