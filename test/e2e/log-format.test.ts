/** What programs are told of a run where lines on standard error are objects of JSON: coordinator, workers, endings. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Program } from '../../bench/programs.js';
import { barsRecipe, steps, writeBars } from './bars.js';
import { scratchFolder, startCoordinator, startWorker, token, type Place } from './processes.js';

const scratch = scratchFolder();
const json = { STILLHOUSE_LOG_FORMAT: 'json' };

beforeAll(() => writeBars(scratch.path));
afterAll(() => scratch.remove());

function placeOf(name: string): Place {
  const recipe = join(scratch.path, 'bars.yaml');
  writeFileSync(recipe, barsRecipe({ student: '{ builtin: mlp, hidden: [8] }', backend: 'auto' }));
  return { recipe, out: join(scratch.path, name), caches: join(scratch.path, 'caches', name) };
}

/** @throws SyntaxError for a line that is no JSON */
function linesOf(stderr: string): Record<string, unknown>[] {
  return stderr
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

const isTime = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

describe('lines of JSON on standard error', () => {
  it('name the run and the step at the coordinator', async () => {
    const place = placeOf('machines');
    const coordinator = startCoordinator(place, { environment: json });
    const [, url = ''] = await coordinator.says(/worker (ws:\/\/[^\s"]+)/);
    const worker = startWorker(place, 'w0', url, json);
    const [{ code, stderr }, ended] = [await coordinator.ended, await worker.ended];
    expect([code, ended.code], stderr + ended.stderr).toEqual([0, 0]);
    const said = linesOf(stderr);
    for (const line of said)
      expect(line).toMatchObject({ time: isTime, level: expect.any(String), msg: expect.any(String) });
    const epochs = said.filter((line) => typeof line.loss === 'number');
    expect(epochs.at(-1)).toMatchObject({ run: 'bars', step: steps, level: 'info', epoch: 5 });
  });

  it('name the run at a worker that has joined it and loses its coordinator', async () => {
    const place = placeOf('lost');
    const coordinator = startCoordinator(place, { environment: json, expect: 2 });
    const [, url = ''] = await coordinator.says(/worker (ws:\/\/[^\s"]+)/);
    const worker = startWorker(place, 'w0', url, json);
    await coordinator.says(/waiting for 2 workers: 1 ready/);
    coordinator.child.kill('SIGKILL');
    await worker.says(/trying again/);
    worker.child.kill('SIGKILL');
    const [line] = linesOf((await worker.ended).stderr);
    expect(line).toMatchObject({ time: isTime, level: 'info', run: 'bars', step: 0, worker: expect.any(String) });
  });

  it('have one form for a run with workers of its own, whose lines name them', async () => {
    const place = placeOf('local');
    const environment = { STILLHOUSE_CACHE: join(scratch.path, 'caches', 'local'), STILLHOUSE_TOKEN: token, ...json };
    const run = new Program(['run', place.recipe, '--workers', '1', '--out', place.out], environment, 100_000);
    await run.says(/"worker":"1"|"loss":/);
    const { code, stderr } = await run.ended;
    expect(code, stderr).toBe(0);
    for (const line of linesOf(stderr)) expect(line).toMatchObject({ time: isTime, msg: expect.any(String) });
  });

  it('tell the exit code of what went wrong, by the flag anywhere on the line, or by the environment', async () => {
    mkdirSync(scratch.path, { recursive: true });
    const missing = join(scratch.path, 'missing.yaml');
    const byFlag = await new Program(['validate', missing, '--log-format', 'json']).ended;
    const byEnvironment = await new Program(['validate', missing], json).ended;
    for (const { code, stderr } of [byFlag, byEnvironment]) {
      expect(code).toBe(2);
      expect(linesOf(stderr)).toMatchObject([{ level: 'error', exitCode: 2, msg: expect.stringContaining(missing) }]);
    }
    expect((await new Program(['validate', missing, '--log-format', 'text'], json).ended).stderr).toMatch(
      /^stillhouse: /,
    );
  });

  it.each([
    [['--log-format', 'xml'], {}, /--log-format.*xml/],
    [[], { STILLHOUSE_LOG_FORMAT: 'xml' }, /STILLHOUSE_LOG_FORMAT: xml is no format of lines; text or json wanted/],
  ])('are refused in another form: %s', async (flags, environment, message) => {
    const { code, stderr } = await new Program(['validate', 'x.yaml', ...flags], environment).ended;
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
  });
});
