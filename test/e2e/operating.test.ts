/** The verbs that watch and steer a run, on real processes: what they do to a run costs it no bit. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commitsOf, Program, soon, type Ended } from '../../bench/programs.js';
import { runStatusSchema, type RunStatus } from '../../coordinator/watch/run-status.js';
import { newToken } from '../../shared/access/local-token.js';
import { barsRecipe, writeBars } from './bars.js';
import { curveOf, digestOf, scratchFolder } from './processes.js';

const scratch = scratchFolder();
const at = (name: string): string => join(scratch.path, name);
afterAll(() => scratch.remove());

/** Steps enough for every command to be heard in the middle of them. */
const epochs = 60;
const tokens = { worker: newToken(), viewer: newToken(), admin: newToken() };

function start(cache: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}): Program {
  mkdirSync(at(cache), { recursive: true });
  return new Program(args, { STILLHOUSE_CACHE: at(cache), ...environment }, 100_000);
}

/** One command, with the token of a role. */
function as(role: keyof typeof tokens, ...args: readonly string[]): Promise<Ended> {
  return start('operator', args, { STILLHOUSE_TOKEN: tokens[role] }).ended;
}

function coordinator(out: string, expected: number, recipe = 'recipe.yaml'): Program {
  const listen = ['--listen', '127.0.0.1:0', '--expect', String(expected), '--token-file', at('tokens')];
  return start('coordinator', ['coordinator', at(recipe), ...listen, '--out', out]);
}

const worker = (name: string, url: string): Program =>
  start(name, ['worker', url, '--backend', 'wasm'], { STILLHOUSE_TOKEN: tokens.worker });

async function urlOf(program: Program): Promise<string> {
  const [, url = ''] = await program.says(/worker (ws:\/\/\S+)/);
  return url;
}

async function atStep(out: string, step: number): Promise<void> {
  while (commitsOf(out).length < step) await soon(2);
}

async function statusOf(url: string): Promise<RunStatus> {
  const { code, stdout, stderr } = await as('viewer', 'status', url, '--json');
  expect(code, stderr).toBe(0);
  return runStatusSchema.parse(JSON.parse(stdout));
}

beforeAll(async () => {
  writeBars(scratch.path);
  const recipe = barsRecipe({ student: '{ builtin: mlp, hidden: [256] }' });
  writeFileSync(at('recipe.yaml'), recipe.replace(/epochs: \d+/, `epochs: ${epochs}`));
  const lines = Object.entries(tokens).map(([role, token]) => `${token} role=${role}\n`);
  writeFileSync(at('tokens'), lines.join(''));
  const undisturbed = coordinator(at('undisturbed'), 1);
  const alone = worker('w0', await urlOf(undisturbed));
  expect([(await undisturbed.ended).code, (await alone.ended).code]).toEqual([0, 0]);
});

describe('a run whose operator looks at it, drains a worker and stops it', () => {
  it('says how it stands, lets the worker go with 0, ends with 75, and goes on to the same bits', async () => {
    const out = at('operated');
    const first = coordinator(out, 2);
    const url = await urlOf(first);
    expect(await statusOf(url)).toMatchObject({ state: 'waiting', step: 0, steps: 5 * epochs, workers: [] });
    const workers = new Map(['w1', 'w2'].map((name) => [name, worker(name, url)]));
    await atStep(out, 2);
    const status = await statusOf(url);
    expect(status).toMatchObject({ state: 'working', epochs, labels: null });
    expect(status.step).toBeGreaterThanOrEqual(2);
    expect(Object.keys(status.terms)).toEqual(['crossEntropy']);
    expect(status.workers.map(({ worker: name, device }) => [name, device])).toEqual([
      ['w1', 'wasm'],
      ['w2', 'wasm'],
    ]);
    const [drained] = status.workers;
    const leaving = [...workers.values()].find(({ child }) => child.pid === drained?.pid);

    expect(await as('viewer', 'drain', url, 'w1')).toMatchObject({
      code: 77,
      stderr: expect.stringContaining("the token's role is viewer; admin wanted for this") as string,
    });
    expect(await as('admin', 'drain', url, 'w3')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('no such worker') as string,
    });
    expect((await as('admin', 'drain', url, 'w1')).code).toBe(0);
    expect(await leaving?.ended).toMatchObject({ code: 0, stderr: expect.stringContaining('drained') as string });
    await first.says(/w1 left: drained by an admin/);
    const done = commitsOf(out).length;
    await atStep(out, done + 2);
    expect((await statusOf(url)).workers.map(({ worker: name }) => name)).toEqual(['w2']);

    const logs = await as('viewer', 'logs', url);
    expect([logs.code, logs.stdout]).toEqual([
      0,
      expect.stringMatching(/coordinator 1 starts at step 0[^]* step 0, epoch 1: 32 samples, crossEntropy /),
    ]);
    expect((await as('admin', 'stop', url)).code).toBe(0);
    expect(await first.ended).toMatchObject({
      code: 75,
      stderr: expect.stringContaining('stopped (asked to by an admin)') as string,
    });
    for (const program of workers.values()) expect((await program.ended).code).toBe(program === leaving ? 0 : 75);
    expect(commitsOf(out).length).toBeLessThan(5 * epochs);

    const folder = await as('viewer', 'status', out, '--json');
    expect(JSON.parse(folder.stdout)).toMatchObject({ state: 'unfinished', step: commitsOf(out).length, digest: null });
    const second = coordinator(out, 1);
    const last = worker('w3', await urlOf(second));
    expect([(await second.ended).code, (await last.ended).code]).toEqual([0, 0]);
    expect(curveOf(out)).toEqual(curveOf(at('undisturbed')));
    expect(digestOf(out)).toBe(digestOf(at('undisturbed')));
    expect((await as('viewer', 'logs', out, '--follow')).stdout).toMatch(/done: weights [0-9a-f]{16}\n$/);
    expect((await as('viewer', 'status', out)).stdout).toContain(`weights ${digestOf(out).slice(0, 16)}`);
  });
});

describe('a worker that cannot take part', () => {
  it('tells the coordinator why before it goes, and those who watch the run', async () => {
    writeFileSync(at('compiled.yaml'), barsRecipe({ student: '{ builtin: mlp, hidden: [8] }', backend: 'auto' }));
    const run = coordinator(at('with a failure'), 1, 'compiled.yaml');
    const url = await urlOf(run);
    const environment = { STILLHOUSE_TOKEN: tokens.worker };
    const failing = start('failing', ['worker', url, '--threads', '3'], environment);
    const { code, stderr } = await failing.ended;
    expect([code, stderr]).toEqual([77, expect.stringMatching(/threads/)]);
    const reason = stderr.trimEnd().split('\n').at(-1)?.replace('stillhouse: ', '') ?? '';
    await run.says(/w1 \(.*\) is the first to fail, with 77: .*threads/);
    expect((await statusOf(url)).firstFailure).toMatchObject({ worker: 'w1', code: 77, reason });
    expect((await as('viewer', 'status', url)).stdout).toContain(`with 77: ${reason}`);
    expect((await as('viewer', 'logs', url)).stdout).toMatch(/w1 on .* fails after step 0 with 77: .*threads/);
    const other = start('other', ['worker', url], environment);
    expect([(await run.ended).code, (await other.ended).code]).toEqual([0, 0]);
  });
});

describe('the commands of an operator', () => {
  it.each([
    ['status', 69, 'ws://127.0.0.1:1: no coordinator answers'],
    ['stop', 69, 'ws://127.0.0.1:1: no coordinator answers'],
    ['logs', 69, 'ws://127.0.0.1:1: no coordinator answers'],
  ])('%s end with one line where there is no coordinator', async (verb, code, text) => {
    const ended = await as('admin', verb, 'ws://127.0.0.1:1');
    expect([ended.code, ended.stdout, ended.stderr.trimEnd().split('\n')]).toEqual([
      code,
      '',
      [expect.stringContaining(text)],
    ]);
  });

  it('watch a run of this user that was started without any token', async () => {
    const run = start('own', ['run', at('recipe.yaml'), '--workers', '1', '--out', at('own-run')]);
    const [, url = ''] = await run.says(/stillhouse status (ws:\S+)/);
    expect((await start('operator', ['status', url]).ended).stdout).toMatch(/recipe: (waiting|working) \(run /);
    expect((await start('operator', ['stop', url]).ended).code).toBe(0);
    expect((await run.ended).code).toBe(75);
  });
});
