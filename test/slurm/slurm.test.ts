/**
 * deploy/slurm on a cluster of two nodes (deploy/slurm/testbed): jobs that are stopped before their time is up, preempted,
 * cancelled, and that lose a node, come to the weights of a run without Slurm.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commitsOf, Program } from '../../bench/programs.js';
import { randomStream } from '../../shared/random.js';
import { digestOf } from '../e2e/processes.js';
import { Cluster } from './cluster.js';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-slurm-'));
const at = (name: string): string => join(folder, name);
const epochs = 16;
const steps = epochs * 32;
let cluster: Cluster | undefined;
let digest = '';

const slurm = (): Cluster => {
  if (cluster === undefined) throw new Error('the cluster does not run');
  return cluster;
};

/** Two nodes of one worker each. */
const twoNodes = ['--nodes=2', '--ntasks-per-node=1'];

beforeAll(async () => {
  const random = randomStream(['slurm']);
  const rows = Array.from({ length: 512 }, () => {
    const values = Array.from({ length: 12 }, () => random.float());
    const [first, second] = [values.slice(0, 6), values.slice(6)].map((half) => half.reduce((sum, x) => sum + x, 0));
    return [...values.map((value) => value.toFixed(4)), Number((first ?? 0) > (second ?? 0))].join();
  });
  writeFileSync(at('rows.csv'), `${rows.join('\n')}\n`);
  const source = '{ format: csv, inputs: rows.csv, header: false, labels: 12 }';
  writeFileSync(
    at('recipe.yaml'),
    `seed: 8
student: { builtin: mlp, hidden: [48] }
losses: { crossEntropy: { weight: 1 } }
data: { train: ${source}, eval: ${source} }
optimizer: { name: adam, learningRate: 0.002 }
batch: { size: 16, micro: 2 }
epochs: ${epochs}
numerics: { backend: wasm }
`,
  );
  const alone = await new Program(['run', at('recipe.yaml'), '--workers', '1', '--out', at('alone')], {
    STILLHOUSE_CACHE: at('cache-alone'),
  }).ended;
  expect(alone.code, alone.stderr).toBe(0);
  digest = digestOf(at('alone'));
  mkdirSync(at('cluster'));
  chmodSync(folder, 0o711);
  cluster = await Cluster.start(at('cluster'));
});

afterAll(async () => {
  await cluster?.command('scancel', '--user=root').catch(() => '');
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

describe('a job of stillhouse.sbatch', () => {
  it('that is told that its time is nearly up stops with a snapshot, is queued again, and goes on', async () => {
    const job = await slurm().submit(twoNodes, 'stillhouse.sbatch', at('recipe.yaml'), at('signalled'));
    await slurm().commits(job, at('signalled'), 40);
    await slurm().command('scancel', '--signal=USR1', '--batch', job);
    await slurm().startNow(job);
    await slurm().reaches(job, 'COMPLETED');
    expect(await slurm().field(job, 'Restarts')).toBe('1');
    expect(slurm().output(job)).toMatch(/start 2: coordinator on n1, 2 workers on n\[1-2\]/);
    expect(commitsOf(at('signalled')).length).toBeGreaterThanOrEqual(steps);
    expect(digestOf(at('signalled'))).toBe(digest);
  });

  it('that a job of more priority takes the nodes from comes back after it', async () => {
    const job = await slurm().submit(twoNodes, 'stillhouse.sbatch', at('recipe.yaml'), at('preempted'));
    await slurm().commits(job, at('preempted'), 40);
    await slurm().command('srun', '--partition=urgent', '--nodes=2', '--exclusive', 'true');
    await slurm().startNow(job);
    await slurm().reaches(job, 'COMPLETED');
    expect(digestOf(at('preempted'))).toBe(digest);
  });

  it('that loses a node goes on with the workers of the other one', async () => {
    const job = await slurm().submit(twoNodes, 'stillhouse.sbatch', at('recipe.yaml'), at('lost'));
    await slurm().commits(job, at('lost'), 40);
    await slurm().command('scontrol', 'update', 'NodeName=n2', 'State=DOWN', 'Reason=test');
    await slurm().reaches(job, 'COMPLETED');
    expect(await slurm().field(job, 'Restarts')).toBe('0');
    expect(slurm().output(job)).toMatch(/w\d left: /);
    expect(digestOf(at('lost'))).toBe(digest);
  });

  it('that somebody cancels keeps what it has, and is not queued again', async () => {
    const job = await slurm().submit(
      ['--nodes=1', '--ntasks=2'],
      'stillhouse.sbatch',
      at('recipe.yaml'),
      at('cancelled'),
    );
    await slurm().commits(job, at('cancelled'), 40);
    await slurm().command('scancel', job);
    await slurm().reaches(job, 'CANCELLED');
    const resumed = await slurm().submit(
      ['--nodes=1', '--ntasks=2'],
      'stillhouse.sbatch',
      at('recipe.yaml'),
      at('cancelled'),
    );
    await slurm().reaches(resumed, 'COMPLETED');
    expect(slurm().output(resumed)).toMatch(/continuing .* at step \d+ of/);
    expect(digestOf(at('cancelled'))).toBe(digest);
  });

  it('may be heterogeneous, with the coordinator on a node of its own', async () => {
    const options = ['--ntasks=1', ':', '--nodes=1', '--ntasks=2'];
    const job = await slurm().submit(options, 'stillhouse.sbatch', at('recipe.yaml'), at('heterogeneous'));
    await slurm().reaches(job, 'COMPLETED');
    expect(slurm().output(job)).toMatch(/coordinator on (n\d), 2 workers on (?!\1)n\d/);
    expect(digestOf(at('heterogeneous'))).toBe(digest);
  });
});

describe('an array of workers.sbatch', () => {
  it('joins a coordinator elsewhere', async () => {
    const token = at('token');
    writeFileSync(token, 'a-token-for-the-tests-on-a-slurm-cluster-0123456789\n', { mode: 0o600 });
    const out = at('elsewhere');
    const coordinator = new Program(
      ['coordinator', at('recipe.yaml'), '--listen', '127.0.0.1:0', '--token-file', token, '--out', out],
      { STILLHOUSE_CACHE: at('cache-elsewhere') },
    );
    const [url = ''] = await coordinator.says(/ws:\/\/127\.0\.0\.1:\d+/);
    const job = await slurm().submit(['--array=0-1'], 'workers.sbatch', url, token);
    const { code, stderr } = await coordinator.ended;
    expect(code, stderr).toBe(0);
    await slurm().reaches(`${job}_0`, 'COMPLETED');
    await slurm().reaches(`${job}_1`, 'COMPLETED');
    expect(stderr).toContain('w2');
    expect(digestOf(out)).toBe(digest);
  });
});
