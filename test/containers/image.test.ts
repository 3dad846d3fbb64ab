import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  GenericContainer,
  getContainerRuntimeClient,
  Network,
  Wait,
  type StartedNetwork,
  type StartedTestContainer,
} from 'testcontainers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { steps, writeTinyRecipe } from './tiny-recipe.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const token = 'a-token-for-the-tests-of-the-image-0123456789';
const address = 'coordinator:7070';

let folder = '';
let network: StartedNetwork | undefined;
const logs: string[] = [];

beforeAll(async () => {
  const base = process.env.STILLHOUSE_TEST_BASE;
  if (base === undefined)
    throw new Error('STILLHOUSE_TEST_BASE: not set; an image with Node and npm that the Docker daemon has was wanted');
  folder = mkdtempSync(join(tmpdir(), 'stillhouse-containers-'));
  writeTinyRecipe(join(folder, 'recipes'));
  await GenericContainer.fromDockerfile(root, 'deploy/docker/Dockerfile')
    .withBuildArgs({ BASE: base })
    .build('stillhouse-test:latest', { deleteOnExit: false });
  network = await new Network().start();
});

afterAll(async () => {
  await network?.stop();
  if (folder !== '') rmSync(folder, { recursive: true });
});

/** One more container of the image, hardened as deploy/compose has it. */
function container(name: string, command: string[]): GenericContainer {
  if (network === undefined) throw new Error('there is no network');
  return new GenericContainer('stillhouse-test:latest')
    .withCommand(command)
    .withEnvironment({ STILLHOUSE_TOKEN: token })
    .withNetwork(network)
    .withNetworkAliases(name)
    .withDroppedCapabilities('ALL')
    .withSecurityOpt('no-new-privileges')
    .withTmpFs({ '/tmp': 'rw' })
    .withLogConsumer((stream: Readable) =>
      stream.on('data', (chunk: Buffer) => logs.push(`${name}: ${chunk.toString().trimEnd()}`)),
    );
}

async function exitCode(started: StartedTestContainer): Promise<number> {
  const { container: client } = await getContainerRuntimeClient();
  const end = (await client.dockerode.getContainer(started.getId()).wait()) as { StatusCode: number };
  return end.StatusCode;
}

async function readFromContainer(started: StartedTestContainer, path: string): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of await started.copyArchiveFromContainer(path)) chunks.push(Buffer.from(chunk));
  const tar = Buffer.concat(chunks);
  const sizeBytes = parseInt(tar.toString('ascii', 124, 135), 8);
  return tar.toString('utf8', 512, 512 + sizeBytes);
}

/** The digest of the same recipe without any container. */
async function digestOnHost(): Promise<string> {
  const out = join(mkdtempSync(join(folder, 'host-')), 'run');
  await promisify(execFile)(process.execPath, [
    join(root, 'dist/cli.js'),
    'run',
    join(folder, 'recipes/recipe.yaml'),
    '--workers',
    '2',
    '--backend',
    'wasm',
    '--out',
    out,
  ]);
  const summary = JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8')) as { digest: string };
  return summary.digest;
}

describe('the image', () => {
  it('distils over a container network to the same weights as without containers', async () => {
    const coordinator = await container('coordinator', [
      'coordinator',
      '/recipes/recipe.yaml',
      '--listen',
      '0.0.0.0:7070',
      '--expect',
      '2',
      '--out',
      '/work/run',
    ])
      .withCopyDirectoriesToContainer([{ source: join(folder, 'recipes'), target: '/recipes' }])
      .withWaitStrategy(Wait.forLogMessage(/:7070/))
      .start();
    const workers = await Promise.all(
      ['worker-1', 'worker-2'].map((name) =>
        container(name, ['worker', `ws://${address}`, '--backend', 'wasm']).start(),
      ),
    );
    const codes = await Promise.all([coordinator, ...workers].map(exitCode));
    expect(codes, logs.join('\n')).toEqual([0, 0, 0]);
    const summary = JSON.parse(await readFromContainer(coordinator, '/work/run/summary.json'));
    expect(summary).toMatchObject({ steps, digest: await digestOnHost() });
    await Promise.all([coordinator, ...workers].map((started) => started.stop()));
  });

  it('distils over mutual TLS, with the settings of deploy/compose/tls.yaml', async () => {
    const { services } = parse(readFileSync(join(root, 'deploy/compose/tls.yaml'), 'utf8')) as {
      services: Record<'coordinator' | 'worker-1', { environment: Record<string, string>; secrets: string[] }>;
    };
    const tls = join(folder, 'tls');
    await promisify(execFile)(process.execPath, [
      join(root, 'dist/cli.js'),
      'token',
      '--tls',
      tls,
      '--name',
      'coordinator',
    ]);
    const hardened = (name: string, command: string[], service: 'coordinator' | 'worker-1') =>
      container(name, command)
        .withEnvironment({ ...services[service].environment, STILLHOUSE_TOKEN: token })
        .withCopyFilesToContainer(
          services[service].secrets
            .filter((secret) => secret !== 'token')
            .map((secret) => ({ source: join(tls, secret), target: `/run/secrets/${secret}`, mode: 0o444 })),
        );
    const coordinator = await hardened(
      'coordinator',
      ['coordinator', '/recipes/recipe.yaml', '--listen', '0.0.0.0:7070', '--out', '/work/run'],
      'coordinator',
    )
      .withCopyDirectoriesToContainer([{ source: join(folder, 'recipes'), target: '/recipes' }])
      .withWaitStrategy(Wait.forLogMessage(/:7070/))
      .start();
    expect((await coordinator.exec(['node', '/opt/stillhouse/health.mjs'])).exitCode).toBe(0);
    const worker = await hardened('worker-1', ['worker', `wss://${address}`, '--backend', 'wasm'], 'worker-1').start();
    const codes = await Promise.all([coordinator, worker].map(exitCode));
    expect(codes, logs.join('\n')).toEqual([0, 0]);
    const summary = JSON.parse(await readFromContainer(coordinator, '/work/run/summary.json'));
    expect(summary).toMatchObject({ steps, digest: await digestOnHost() });
    await Promise.all([coordinator, worker].map((started) => started.stop()));
  });

  it('stops in good order on SIGTERM, as another user than root', async () => {
    const coordinator = await container('coordinator', [
      'coordinator',
      '/recipes/recipe.yaml',
      '--listen',
      '0.0.0.0:7070',
      '--out',
      '/work/run',
    ])
      .withCopyDirectoriesToContainer([{ source: join(folder, 'recipes'), target: '/recipes' }])
      .withWaitStrategy(Wait.forLogMessage(/:7070/))
      .start();
    expect((await coordinator.exec(['node', '-p', 'process.getuid()'])).output.trim()).toBe('10001');
    expect((await coordinator.exec(['node', '/opt/stillhouse/health.mjs'])).exitCode).toBe(0);
    const { container: client } = await getContainerRuntimeClient();
    await client.dockerode.getContainer(coordinator.getId()).kill({ signal: 'SIGTERM' });
    expect(await exitCode(coordinator), logs.join('\n')).toBe(75);
    await coordinator.stop();
  });
});
