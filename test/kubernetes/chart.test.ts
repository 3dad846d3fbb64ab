/**
 * The chart, rendered by helm with several sets of values: kubeconform and an API server take every object, and what it
 * says of exit codes, flags, tokens and metrics is what the program knows.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verb as coordinatorVerb } from '../../cli/coordinator.js';
import { verb as workerVerb } from '../../cli/worker.js';
import { runMetrics } from '../../coordinator/watch/metrics-page.js';
import { readCredentials } from '../../shared/access/credentials.js';
import { exitCodes } from '../../shared/errors.js';
import { ApiServer, definitions, get, say } from './api-server.js';
import { chart, manifestsIn, refusalOf, render, scratch, valueSets, valuesOf } from './chart.js';
import { workloadsIn, type Labels, type Selector, type Workload } from './chart.js';
import { startJobSet } from './jobset.js';
import { writeSchemas } from './schemas.js';

const folder = scratch();
let server: ApiServer | undefined;
let schemas = '';

const api = (): ApiServer => {
  if (server === undefined) throw new Error('the API server does not run');
  return server;
};

beforeAll(async () => {
  server = await ApiServer.start(join(folder.path, 'server'));
  await server.define();
  await startJobSet(server, join(folder.path, 'jobset'));
  await api().kubectl(['create', 'namespace', 'lab']);
  await api().kubectl(['create', 'serviceaccount', 'default', '-n', 'lab']);
  schemas = writeSchemas(await api().kubectl(['get', '--raw=/openapi/v2']), join(folder.path, 'schemas'));
}, 600_000);

afterAll(async () => {
  await server?.stop();
  folder.remove();
});

/** Resolves where a container's arguments are a command of the program, with flags that it has. */
function parsed(args: readonly string[]): Promise<unknown> {
  const program = new Command().exitOverride();
  for (const verb of [coordinatorVerb, workerVerb]) verb(program);
  for (const command of program.commands) command.exitOverride().action(() => undefined);
  return program.parseAsync([...args], { from: 'user' });
}

const { version } = JSON.parse(readFileSync(join(chart, '../../../package.json'), 'utf8')) as { version: string };

const conform = (text: string) => say('kubeconform', ['-strict', '-summary', `-schema-location=${schemas}`], text);
const dryRun = (text: string) =>
  api().say('kubectl', ['apply', '--dry-run=server', '--validate=strict', '--namespace=lab', '-f', '-'], text);

describe.each(valueSets)('with the values of %s', (set) => {
  it('is taken by helm, kubeconform and the API server', async () => {
    expect(await get('helm', ['lint', '--strict', chart, '-f', valuesOf(set)])).toContain('0 chart(s) failed');
    const text = await render(set);
    const conformed = await conform(text);
    expect(conformed, conformed.stdout).toMatchObject({ code: 0 });
    expect(conformed.stdout).toMatch(/Valid: [1-9]\d*, Invalid: 0, Errors: 0, Skipped: 0/);
    const taken = await dryRun(text);
    expect(taken, taken.stderr).toMatchObject({ code: 0, stderr: '' });
    expect(taken.stdout.trim().split('\n')).toHaveLength(manifestsIn(text).length);
  });

  it('gives pods no more rights than they need', async () => {
    const workloads = workloadsIn(manifestsIn(await render(set)));
    expect(workloads.length).toBeGreaterThan(1);
    for (const { template } of workloads) {
      const { spec } = template;
      expect(spec).toMatchObject({
        automountServiceAccountToken: false,
        securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      });
      for (const container of spec.containers)
        expect(container.securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
    }
  });

  it('calls commands with flags that there are', async () => {
    for (const { template } of workloadsIn(manifestsIn(await render(set))))
      await expect(parsed(template.spec.containers[0].args)).resolves.toBeDefined();
  });

  it('selects by each selector the pods that it is for', async () => {
    const manifests = manifestsIn(await render(set));
    const pods = workloadsIn(manifests).map(({ template }) => template.metadata.labels);
    const components = (matches: (labels: Labels) => boolean): string[] =>
      pods.filter(matches).map((labels) => labels['app.kubernetes.io/component'] ?? '');
    const selects = ({ matchLabels = {}, matchExpressions = [] }: Selector = {}): string[] =>
      components(
        (labels) =>
          Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
          matchExpressions.every(({ key, values }) => values.includes(labels[key] ?? '')),
      );
    const workers = components((labels) => labels['app.kubernetes.io/component'] !== 'coordinator');
    for (const { kind, metadata, spec = {} } of manifests) {
      const wanted = /-(worker|label)$/.test(metadata.name) ? workers : ['coordinator'];
      if (kind === 'Service') {
        expect(selects({ matchLabels: spec.selector ?? {} })).toEqual(['coordinator']);
        // Workers join while a probe has not yet been answered.
        expect(spec.publishNotReadyAddresses).toBe(true);
      }
      if (kind === 'PodDisruptionBudget') expect(selects(spec.selector)).toEqual(['coordinator']);
      if (kind !== 'NetworkPolicy') continue;
      expect(selects(spec.podSelector)).toEqual(wanted);
      const peers = [...(spec.ingress ?? []), ...(spec.egress ?? [])].flatMap((rule) => rule.from ?? rule.to ?? []);
      const [peer] = peers.filter(({ podSelector }) => podSelector !== undefined);
      expect(selects(peer?.podSelector)).toEqual(wanted === workers ? ['coordinator'] : workers);
    }
  });
});

describe('what is refused', () => {
  it('is a field that no object has, by kubeconform and by the API server', async () => {
    const text = (await render('defaults')).replaceAll('podReplacementPolicy:', 'podReplacmentPolicy:');
    const conformed = await conform(text);
    expect(conformed.code).toBe(1);
    expect(conformed.stdout).toContain('podReplacmentPolicy');
    const taken = await dryRun(text);
    expect(taken.code).toBe(1);
    expect(taken.stderr).toContain('podReplacmentPolicy');
  });

  const recipe = '--set=recipe.existingClaim=claim';
  it.each([
    ['no recipe', [], /recipe: nothing given; exactly one of files, existingConfigMap and existingClaim was wanted/],
    [
      'two recipes',
      [recipe, '--set=recipe.existingConfigMap=map'],
      /recipe: existingConfigMap and existingClaim given/,
    ],
    ['a value that there is not', [recipe, '--set=worker.replicas=3'], /additional properties 'worker' not allowed/],
    [
      'a value there is not, deeper',
      [recipe, '--set=workers.gpus=3'],
      /workers.*additional properties 'gpus' not allowed/s,
    ],
    ['fewer workers than none', [recipe, '--set=workers.replicas=-1'], /workers\/replicas.*minimum/s],
    ['a resource without a domain', [recipe, '--set=workers.gpu.resource=gpu'], /workers\/gpu\/resource/],
    ['TLS without a certificate', [recipe, '--set=tls.enabled=true'], /serverSecret/],
    ['a digest that is none', [recipe, '--set=image.digest=latest'], /image\/digest/],
    ['a path of the root', ['--set=recipe.existingClaim=claim,recipe.file=/etc/passwd'], /recipe\/file/],
  ])('%s, by helm', async (_, more, wanted) => {
    const { code, stderr } = await refusalOf(...more);
    expect(code).toBe(1);
    expect(stderr).toMatch(wanted);
  });
});

describe('what other projects take', () => {
  it("is a queue of Kueue's, which waits for what is labelled so", async () => {
    const [, label = ''] =
      /QueueLabel\s*=\s*"([^"]+)"/.exec(readFileSync(join(definitions, 'kueue-constants'), 'utf8')) ?? [];
    for (const [set, count] of [
      ['gpu', 2],
      ['jobset', 1],
    ] as const) {
      const labelled = manifestsIn(await render(set)).filter(({ metadata }) => metadata.labels[label] === 'gpus');
      expect(labelled.map(({ kind }) => kind)).toEqual(set === 'gpu' ? ['Job', 'Job'] : ['JobSet']);
      expect(labelled).toHaveLength(count);
    }
  });

  it('is no JobSet whose success waits for a job that it has not', async () => {
    const taken = await dryRun(
      (await render('jobset')).replace('targetReplicatedJobs: [coordinator]', 'targetReplicatedJobs: [chief]'),
    );
    expect(taken.code).toBe(1);
    expect(taken.stderr).toMatch(/vjobset\.kb\.io.*chief/s);
  });

  it('is no ServiceMonitor with an interval that is none', async () => {
    const text = (await render('monitoring')).replace('interval: 15s', 'interval: often');
    const taken = await dryRun(text);
    expect(taken.code).toBe(1);
    expect(taken.stderr).toMatch(/ServiceMonitor.*interval.*often/s);
  });
});

describe('the runtime for Kubeflow Trainer', () => {
  const file = (name: string): string => readFileSync(join(chart, '../../kubeflow', name), 'utf8');

  it('is taken by its definition, with the job that names it', async () => {
    for (const name of ['runtime.yaml', 'trainjob.yaml']) {
      const taken = await dryRun(file(name));
      expect(taken, taken.stderr).toMatchObject({ code: 0, stderr: '' });
    }
    const taken = await dryRun(file('runtime.yaml').replace('numNodes:', 'nodes:'));
    expect(taken.stderr).toMatch(/unknown field "spec\.mlPolicy\.nodes"/);
  });

  it("makes a JobSet that JobSet's controller takes, of pods as the chart has them", async () => {
    const [runtime] = manifestsIn(file('runtime.yaml'));
    const { spec } = runtime?.spec?.template as unknown as { spec: object };
    const jobSet = {
      apiVersion: 'jobset.x-k8s.io/v1alpha2',
      kind: 'JobSet',
      metadata: { name: 'mine', labels: {} },
      spec,
    };
    const taken = await dryRun(JSON.stringify(jobSet));
    expect(taken, taken.stderr).toMatchObject({ code: 0, stderr: '' });
    const own = workloadsIn([jobSet]);
    const charts = workloadsIn(manifestsIn(await render('jobset')));
    const codes = ({ podFailurePolicy }: Workload) =>
      JSON.stringify(podFailurePolicy).replaceAll(/"containerName":"[^"]*",/g, '');
    expect(own.map(codes)).toEqual(charts.map(codes));
    for (const [at, { template }] of own.entries()) {
      const [container] = template.spec.containers;
      const [wanted] = charts[at]?.template.spec.containers ?? [];
      expect(container.securityContext).toEqual(wanted?.securityContext);
      expect(container.image).toBe(`stillhouse:${version}`);
      await expect(parsed(container.args)).resolves.toBeDefined();
    }
  });
});

describe('what the chart says of the program', () => {
  const workloads = async (set: string) => workloadsIn(manifestsIn(await render(set)));

  it.each(['defaults', 'jobset'])(
    'replaces the pods that a new one can do without, and fails for the others (%s)',
    async (set) => {
      const { usage, data, refused, stopped } = exitCodes;
      for (const { podFailurePolicy, template } of await workloads(set)) {
        const [{ name }] = template.spec.containers;
        expect(template.spec.restartPolicy).toBe('Never');
        expect(podFailurePolicy).toEqual({
          rules: [
            { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
            { action: 'Ignore', onExitCodes: { containerName: name, operator: 'In', values: [stopped] } },
            { action: 'FailJob', onExitCodes: { containerName: name, operator: 'In', values: [usage, data, refused] } },
          ],
        });
      }
    },
  );

  it('scales label workers by a metric that there is', async () => {
    const scaler = manifestsIn(await render('labels')).find(({ kind }) => kind === 'HorizontalPodAutoscaler');
    expect(Object.keys(runMetrics)).toContain(scaler?.spec?.metrics?.[0]?.object.metric.name);
  });

  it('gives each of them a token that the coordinator takes for its role', async () => {
    const secret = manifestsIn(await render('defaults')).find(({ kind }) => kind === 'Secret');
    const { tokens, ...own } = secret?.stringData ?? {};
    const credentials = readCredentials(tokens ?? '', 'tokens');
    expect(Object.fromEntries(credentials.map(({ role, token }) => [role, token]))).toEqual(own);
    expect(new Set(Object.values(own)).size).toBe(4);
    const keys = (await workloads('labels')).map(({ template }) => {
      const { projected } = template.spec.volumes.find(({ name }) => name === 'secrets') ?? {};
      return projected?.sources[0]?.secret.items.map(({ key }) => key);
    });
    expect(keys).toEqual([['label'], ['tokens', 'admin'], ['worker']]);
  });

  it('gives the tokens of model servers to those who ask them', async () => {
    const given = (await workloads('labels')).map(({ template }) => {
      const [{ name, env = [] }] = template.spec.containers;
      return [name, env.find((variable) => variable.name === 'STILLHOUSE_TEACHER_TOKENS')?.valueFrom];
    });
    const secret = { secretKeyRef: { name: 'model-servers', key: 'tokens' } };
    // Label workers, the coordinator, and workers that train.
    expect(given).toEqual([
      ['worker', secret],
      ['coordinator', secret],
      ['worker', undefined],
    ]);
    expect(await render('defaults')).not.toContain('STILLHOUSE_TEACHER_TOKENS');
  });

  it('demands the GPUs that it asks for, and none where it asks for none', async () => {
    const workers = async (set: string) =>
      (await workloads(set)).filter(({ completionMode }) => completionMode === 'Indexed');
    const [gpu] = await workers('gpu');
    expect(gpu?.template.spec.containers[0]).toMatchObject({
      ...{ image: expect.stringMatching(/^registry\.example:5000\/team\/stillhouse-cuda@sha256:0123/) },
      ...{ args: expect.arrayContaining(['--gpu']), resources: { limits: { 'nvidia.com/gpu': 8, memory: '64Gi' } } },
    });
    const [cpu] = await workers('defaults');
    expect(JSON.stringify(cpu)).not.toMatch(/gpu|cuda/i);
  });

  it('has nothing of a registry or a host in it', async () => {
    const text = await render('defaults');
    const images = (await workloads('defaults')).map(({ template }) => template.spec.containers[0].image);
    expect(images).toEqual([`stillhouse:${version}`, `stillhouse:${version}`]);
    expect(text).not.toMatch(/docker\.io|cluster\.local/);
  });

  it('asks a coordinator with TLS in a way that it answers', async () => {
    const probeOf = async (set: string) => {
      const coordinator = (await workloads(set)).find(
        ({ template }) => template.spec.containers[0].name === 'coordinator',
      );
      return coordinator?.template.spec.containers[0].livenessProbe;
    };
    expect(await probeOf('defaults')).toMatchObject({ httpGet: { path: '/livez', port: 'stillhouse' } });
    expect(await probeOf('tls')).toMatchObject({ httpGet: { scheme: 'HTTPS' } });
    const command = ['node', '/opt/stillhouse/health.mjs'];
    expect(await probeOf('mutual-tls')).toMatchObject({ exec: { command } });
    expect(existsSync(join(chart, '../../docker/health.mjs'))).toBe(true);
  });
});

describe('a release', () => {
  const helm = (...args: readonly string[]) => api().get('helm', [...args, '--namespace=lab']);
  const tokensNow = () => api().kubectl(['get', 'secret/mine-stillhouse-token', '-n', 'lab', '-o=jsonpath={.data}']);

  it('keeps its tokens when it is upgraded, and its run when it is deleted', async () => {
    const printed = await helm('install', 'mine', chart, '-f', valuesOf('defaults'));
    expect(printed).toContain('job/mine-stillhouse-coordinator');
    const before = await tokensNow();
    await helm('upgrade', 'mine', chart, '-f', valuesOf('defaults'), '--set=suspend=true,workers.replicas=5');
    expect(await tokensNow()).toBe(before);
    const job: unknown = JSON.parse(await api().kubectl(['get', 'job/mine-stillhouse-worker', '-n', 'lab', '-o=json']));
    expect(job).toMatchObject({ spec: { suspend: true, completions: 5, parallelism: 5 } });
    await helm('uninstall', 'mine', '--cascade=background');
    expect(await api().kubectl(['get', 'pvc', '-n', 'lab', '-o=name'])).toBe(
      'persistentvolumeclaim/mine-stillhouse-run\n',
    );
    await helm('install', 'mine', chart, '-f', valuesOf('defaults'));
    await helm('uninstall', 'mine');
  });

  it('may not change in a way that would begin its pods anew', async () => {
    await helm('install', 'other', chart, '-f', valuesOf('defaults'));
    const args = ['upgrade', 'other', chart, '--namespace=lab', '-f', valuesOf('defaults'), '--set-string=image.tag=2'];
    const { code, stderr } = await api().say('helm', args);
    expect(code).toBe(1);
    expect(stderr).toMatch(/field is immutable/);
    await helm('uninstall', 'other');
  });
});
