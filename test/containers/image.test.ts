import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Wait, type StartedTestContainer } from 'testcontainers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { address, coordinate, docker, exitCode, imageName, root, signal, Stage, token, work } from './containers.js';
import { steps, writeTinyRecipe } from './tiny-recipe.js';

let stage: Stage;
const at = (name: string): string => join(stage.folder, name);

beforeAll(async () => {
  stage = await Stage.set();
  writeTinyRecipe(at('recipes'));
});

afterAll(async () => stage.strike());

async function readFromContainer(started: StartedTestContainer, path: string): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of await started.copyArchiveFromContainer(path)) chunks.push(Buffer.from(chunk));
  const tar = Buffer.concat(chunks);
  const sizeBytes = parseInt(tar.toString('ascii', 124, 135), 8);
  return tar.toString('utf8', 512, 512 + sizeBytes);
}

describe('the image', () => {
  it('distils over a container network to the same weights as without containers', async () => {
    const coordinator = await stage
      .container('coordinator', [...coordinate, '--expect', '2'])
      .withCopyDirectoriesToContainer([{ source: at('recipes'), target: '/recipes' }])
      .withWaitStrategy(Wait.forLogMessage(/:7070/))
      .start();
    const workers = await Promise.all(['worker-1', 'worker-2'].map((name) => stage.container(name, work).start()));
    const codes = await Promise.all([coordinator, ...workers].map(exitCode));
    expect(codes, stage.logs.join('\n')).toEqual([0, 0, 0]);
    const summary = JSON.parse(await readFromContainer(coordinator, '/work/run/summary.json'));
    expect(summary).toMatchObject({ steps, digest: await stage.digestOnHost(at('recipes/recipe.yaml')) });
    await Promise.all([coordinator, ...workers].map((started) => started.stop()));
  });

  it('distils over mutual TLS, with the settings of deploy/compose/tls.yaml', async () => {
    const { services } = parse(readFileSync(join(root, 'deploy/compose/tls.yaml'), 'utf8')) as {
      services: Record<'coordinator' | 'worker-1', { environment: Record<string, string>; secrets: string[] }>;
    };
    const tls = at('tls');
    await promisify(execFile)(process.execPath, [
      join(root, 'dist/cli.js'),
      'token',
      '--tls',
      tls,
      '--name',
      'coordinator',
    ]);
    const hardened = (name: string, command: string[], service: 'coordinator' | 'worker-1') =>
      stage
        .container(name, command)
        .withEnvironment({ ...services[service].environment, STILLHOUSE_TOKEN: token })
        .withCopyFilesToContainer(
          services[service].secrets
            .filter((secret) => secret !== 'token')
            .map((secret) => ({ source: join(tls, secret), target: `/run/secrets/${secret}`, mode: 0o444 })),
        );
    const coordinator = await hardened('coordinator', coordinate, 'coordinator')
      .withCopyDirectoriesToContainer([{ source: at('recipes'), target: '/recipes' }])
      .withWaitStrategy(Wait.forLogMessage(/:7070/))
      .start();
    expect((await coordinator.exec(['node', '/opt/stillhouse/health.mjs'])).exitCode).toBe(0);
    const worker = await hardened('worker-1', ['worker', `wss://${address}`, '--backend', 'wasm'], 'worker-1').start();
    const codes = await Promise.all([coordinator, worker].map(exitCode));
    expect(codes, stage.logs.join('\n')).toEqual([0, 0]);
    const summary = JSON.parse(await readFromContainer(coordinator, '/work/run/summary.json'));
    expect(summary).toMatchObject({ steps, digest: await stage.digestOnHost(at('recipes/recipe.yaml')) });
    await Promise.all([coordinator, worker].map((started) => started.stop()));
  });

  it('stops in good order on SIGTERM, as another user than root', async () => {
    const coordinator = await stage
      .container('coordinator', coordinate)
      .withCopyDirectoriesToContainer([{ source: at('recipes'), target: '/recipes' }])
      .withWaitStrategy(Wait.forLogMessage(/:7070/))
      .start();
    expect((await coordinator.exec(['node', '-p', 'process.getuid()'])).output.trim()).toBe('10001');
    expect((await coordinator.exec(['node', '/opt/stillhouse/health.mjs'])).exitCode).toBe(0);
    await signal(coordinator, 'SIGTERM');
    expect(await exitCode(coordinator), stage.logs.join('\n')).toBe(75);
    await coordinator.stop();
  });

  it('says what it is, lists its packages, and carries nothing to build with', async () => {
    const { Config, Size } = await (await docker()).getImage(imageName).inspect();
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    expect(Config.Labels).toMatchObject({
      'org.opencontainers.image.title': 'Stillhouse',
      'org.opencontainers.image.version': version,
      'org.opencontainers.image.licenses': 'Apache-2.0',
    });
    expect(Config.User).toBe('10001:10001');
    console.log(`the image has ${(Size / 1e6).toFixed(0)} MB`);
    const coordinator = await stage
      .container('coordinator', coordinate)
      .withCopyDirectoriesToContainer([{ source: at('recipes'), target: '/recipes' }])
      .withWaitStrategy(Wait.forLogMessage(/:7070/))
      .start();
    const sbom = JSON.parse(await readFromContainer(coordinator, '/opt/stillhouse/sbom.cdx.json')) as {
      components: { name: string }[];
    };
    expect(sbom).toMatchObject({ bomFormat: 'CycloneDX', metadata: { component: { version } } });
    const { exitCode: listed, output } = await coordinator.exec([
      'node',
      '-p',
      `const { dependencies } = require('/opt/stillhouse/package.json');
       JSON.stringify({ dependencies: Object.keys(dependencies), there: fs.readdirSync('/opt/stillhouse/node_modules') })`,
    ]);
    expect(listed).toBe(0);
    const { dependencies, there } = JSON.parse(output) as { dependencies: string[]; there: string[] };
    const names = sbom.components.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(dependencies));
    for (const tool of ['typescript', 'vitest', 'eslint']) expect([...names, ...there]).not.toContain(tool);
    await coordinator.stop();
  });
});
