/** Containers of the image, on a network of their own. */
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
  type StartedNetwork,
  type StartedTestContainer,
} from 'testcontainers';

export const root = fileURLToPath(new URL('../..', import.meta.url));
export const imageName = 'stillhouse-test:latest';
export const address = 'coordinator:7070';
export const token = 'a-token-for-the-tests-of-the-image-0123456789';

/** A coordinator's command, up to what a test adds. */
export const coordinate = ['coordinator', '/recipes/recipe.yaml', '--listen', '0.0.0.0:7070', '--out', '/work/run'];
export const work = ['worker', `ws://${address}`, '--backend', 'wasm'];

type Docker = Awaited<ReturnType<typeof getContainerRuntimeClient>>['container']['dockerode'];

export async function docker(): Promise<Docker> {
  return (await getContainerRuntimeClient()).container.dockerode;
}

/** What the tests of a file share. */
export class Stage {
  /** A folder on this machine. */
  readonly folder = mkdtempSync(join(tmpdir(), 'stillhouse-containers-'));
  /** What all containers have printed, a chunk each, with the container's name before it. */
  readonly logs: string[] = [];
  readonly network: StartedNetwork;

  private constructor(network: StartedNetwork) {
    this.network = network;
  }

  /** Builds the image, of which the second time nothing is new. */
  static async set(): Promise<Stage> {
    const { STILLHOUSE_TEST_BASE: base, STILLHOUSE_TEST_RUNTIME: runtime = base } = process.env;
    if (base === undefined || runtime === undefined)
      throw new Error(
        'STILLHOUSE_TEST_BASE: not set; an image with Node and npm that the Docker daemon has was wanted',
      );
    await GenericContainer.fromDockerfile(root, 'deploy/docker/Dockerfile')
      .withBuildArgs({ BASE: base, RUNTIME: runtime })
      .build(imageName, { deleteOnExit: false });
    return new Stage(await new Network().start());
  }

  async strike(): Promise<void> {
    await this.network.stop();
    rmSync(this.folder, { recursive: true });
  }

  /** One more container of the image, hardened as deploy/compose has it. */
  container(name: string, command: readonly string[], image = imageName): GenericContainer {
    return new GenericContainer(image)
      .withCommand([...command])
      .withEnvironment({ STILLHOUSE_TOKEN: token })
      .withNetwork(this.network)
      .withNetworkAliases(name)
      .withDroppedCapabilities('ALL')
      .withSecurityOpt('no-new-privileges')
      .withTmpFs({ '/tmp': 'rw' })
      .withLogConsumer((stream: Readable) =>
        stream.on('data', (chunk: Buffer) => this.logs.push(`${name}: ${chunk.toString().trimEnd()}`)),
      );
  }

  /** The digest of a recipe without any container. */
  async digestOnHost(recipe: string): Promise<string> {
    const out = join(mkdtempSync(join(this.folder, 'host-')), 'run');
    const command = [join(root, 'dist/cli.js'), 'run', recipe, '--workers', '2', '--backend', 'wasm', '--out', out];
    await promisify(execFile)(process.execPath, command);
    const summary = JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8')) as { digest: string };
    return summary.digest;
  }
}

export async function exitCode(started: StartedTestContainer): Promise<number> {
  const end = (await (await docker()).getContainer(started.getId()).wait()) as { StatusCode: number };
  return end.StatusCode;
}

export async function signal(started: StartedTestContainer, name: string): Promise<void> {
  await (await docker()).getContainer(started.getId()).kill({ signal: name });
}
