/** What may happen to containers in the middle of a run: the student has the weights of a run without containers. */
import { chownSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Wait, type StartedTestContainer } from 'testcontainers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commitsOf, soon } from '../../bench/programs.js';
import { subprotocol } from '../../shared/protocol/messages.js';
import { digestOf } from '../e2e/processes.js';
import { coordinate, docker, exitCode, imageName, signal, Stage, work } from './containers.js';
import { stepsOf, writeTinyRecipe } from './tiny-recipe.js';

const epochs = 200;
let stage: Stage;
let digest = '';
const at = (name: string): string => join(stage.folder, name);

beforeAll(async () => {
  stage = await Stage.set();
  writeTinyRecipe(at('recipes'), epochs);
  digest = await stage.digestOnHost(at('recipes/recipe.yaml'));
});

afterAll(async () => stage.strike());

/** A volume for a coordinator's run folders, on this machine, where a test can look into it. */
function volume(name: string): string {
  mkdirSync(at(name));
  chownSync(at(name), 10001, 10001);
  return at(name);
}

async function startCoordinator(source: string, ...more: readonly string[]): Promise<StartedTestContainer> {
  return stage
    .container('coordinator', [...coordinate, ...more])
    .withBindMounts([{ source, target: '/work' }])
    .withCopyDirectoriesToContainer([{ source: at('recipes'), target: '/recipes' }])
    .withWaitStrategy(Wait.forLogMessage(/:7070/))
    .start();
}

const startWorker = (name: string): Promise<StartedTestContainer> => stage.container(name, work).start();

/** Resolves once so many more steps are committed in the middle of the run. */
async function moreCommits(source: string, count: number): Promise<void> {
  const out = join(source, 'run');
  const wanted = commitsOf(out).length + count;
  while (commitsOf(out).length < wanted) await soon(20);
  expect(commitsOf(out).length, 'the run was over before').toBeLessThan(stepsOf(epochs));
}

async function endedWell(source: string, ...started: readonly StartedTestContainer[]): Promise<void> {
  const codes = await Promise.all(started.map(exitCode));
  expect(codes, stage.logs.slice(-40).join('\n')).toEqual(started.map(() => 0));
  expect(digestOf(join(source, 'run'))).toBe(digest);
  await Promise.all(started.map((one) => one.stop()));
}

describe('in the middle of a run', () => {
  it('a worker is killed, and another one comes', async () => {
    const source = volume('worker-killed');
    const coordinator = await startCoordinator(source, '--expect', '2');
    const [lost, other] = [await startWorker('worker-1'), await startWorker('worker-2')];
    await moreCommits(source, 20);
    await signal(lost, 'SIGKILL');
    await moreCommits(source, 20);
    const next = await startWorker('worker-3');
    await endedWell(source, coordinator, other, next);
  });

  it('the coordinator is killed, and started again with its volume', async () => {
    const source = volume('coordinator-killed');
    const killed = await startCoordinator(source);
    const worker = await startWorker('worker-1');
    await moreCommits(source, 20);
    await signal(killed, 'SIGKILL');
    expect(await exitCode(killed)).toBe(137);
    await killed.stop();
    const coordinator = await startCoordinator(source);
    await moreCommits(source, 20);
    expect(readdirSync(join(source, 'run/generations')).filter((name) => /^\d+$/.test(name))).toHaveLength(2);
    await endedWell(source, coordinator, worker);
  });

  it('a worker is cut off from the network, and comes back', async () => {
    const source = volume('cut-off');
    const coordinator = await startCoordinator(source, '--expect', '2');
    const workers = await Promise.all(['worker-1', 'worker-2'].map(startWorker));
    await moreCommits(source, 20);
    const network = (await docker()).getNetwork(stage.network.getId());
    const Container = workers[0]?.getId() ?? '';
    await network.disconnect({ Container, Force: true });
    while (!stage.logs.some((line) => /w\d (left|is gone|lost)/.test(line))) await soon(50);
    await moreCommits(source, 20);
    await network.connect({ Container });
    await endedWell(source, coordinator, ...workers);
  });
});

it('a worker of the version before is turned away with one line', async () => {
  const older = 'stillhouse-test:older';
  const source = volume('older');
  const coordinator = await startCoordinator(source);
  // The same program, which speaks version 1 of the protocol.
  const folder = '/opt/stillhouse/dist/chunks/';
  const change = `let found = 0; for (const name of fs.readdirSync('${folder}').filter((name) => name.endsWith('.js'))) {
    const text = fs.readFileSync('${folder}' + name, 'utf8'); const old = text.replace(/(protocolVersion = )\\d+/, '$11');
    if (old !== text) found += 1; fs.writeFileSync('${folder}' + name, old); }
    if (found !== 1) throw new Error(found + ' places with the version found')`;
  const engine = await docker();
  const patched = await engine.createContainer({
    Image: imageName,
    User: '0',
    Entrypoint: ['node', '-e', change],
    Cmd: [],
  });
  await patched.start();
  expect(await patched.wait()).toMatchObject({ StatusCode: 0 });
  await patched.commit({
    repo: 'stillhouse-test',
    tag: 'older',
    changes: ['ENTRYPOINT ["node","/opt/stillhouse/dist/cli.js"]', 'USER 10001:10001'],
  });
  await patched.remove();
  const before = stage.logs.length;
  const worker = await stage.container('worker-1', work, older).start();
  expect(await exitCode(worker)).toBe(77);
  expect(stage.logs.slice(before).filter((line) => line.startsWith('worker-1: '))).toEqual([
    `worker-1: stillhouse: the coordinator refused this worker (426): this coordinator speaks ${subprotocol}, the worker stillhouse.v1; use the same Stillhouse on both`,
  ]);
  await signal(coordinator, 'SIGTERM');
  expect(await exitCode(coordinator)).toBe(75);
  await Promise.all([coordinator, worker].map((one) => one.stop()));
});
