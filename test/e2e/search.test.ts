/** A search through the built program: its trials are runs, and one that was killed goes on with the same trials. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { Program, soon, type Ended } from '../../bench/programs.js';
import type { SearchResult } from '../../cli/search/search-results.js';
import { verifyRun } from '../../coordinator/verify/verify.js';
import { barsRecipe, writeBars } from './bars.js';
import { digestOf, scratchFolder } from './processes.js';

const scratch = scratchFolder();
const at = (name: string): string => join(scratch.path, name);
const recipe = at('recipe.yaml');
const trials = 5;
const section = `search:
  startup: 3
  space:
    losses.response.temperature: { from: 1, to: 10, scale: log }
    losses.response.weight: { from: 0.1, to: 1 }
    optimizer.learningRate: { from: 1e-4, to: 2e-2, scale: log }
`;
afterAll(() => scratch.remove());

const program = (args: readonly string[]): Program => new Program(args, { STILLHOUSE_CACHE: at('cache') }, 250_000);
const search = (out: string, ...more: string[]): Program =>
  program(['search', recipe, '--trials', String(trials), '--workers', '1', '--out', at(out), ...more]);
const journal = (out: string): string => {
  const path = at(`${out}/search.jsonl`);
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
};
const resultIn = (out: string): SearchResult =>
  JSON.parse(readFileSync(at(`${out}/search.json`), 'utf8')) as SearchResult;

let undisturbed: Ended;

beforeAll(async () => {
  writeBars(scratch.path);
  writeFileSync(at('teacher.yaml'), barsRecipe({ student: '{ builtin: mlp, hidden: [32] }', backend: 'auto' }));
  const teacher = await program(['run', at('teacher.yaml'), '--workers', '1', '--out', at('t'), '--quiet']).ended;
  expect(teacher.code, teacher.stderr).toBe(0);
  const student = '{ builtin: mlp, hidden: [16] }';
  writeFileSync(recipe, barsRecipe({ student, teacher: 't/student/model.json', backend: 'auto', more: section }));
  undisturbed = await search('undisturbed').ended;
  expect(undisturbed.code, undisturbed.stderr).toBe(0);
}, 300_000);

const slow = { timeout: 300_000 };

describe('search', () => {
  it('tells of each trial, and ends with a table, the best trial and where it lies', () => {
    const { best, trials: all } = resultIn('undisturbed');
    expect(all.map(({ trial }) => trial)).toEqual([1, 2, 3, 4, 5]);
    expect(undisturbed.stdout).toMatch(/trial +losses\.response\.temperature .* accuracy +epochs +outcome/);
    expect(undisturbed.stdout).toContain(`the best is trial ${best?.trial}, accuracy`);
    expect(undisturbed.stdout).toContain(`stillhouse run ${at('undisturbed')}/best.yaml`);
    expect(undisturbed.stderr).toMatch(/trial 1 of 5: losses\.response\.temperature 3, /);
    expect(all.some(({ outcome }) => outcome === 'halved')).toBe(true);
    const done = all.filter(({ outcome }) => outcome === 'done').map(({ value }) => value ?? 0);
    expect(best?.value).toBe(Math.max(...done));
  });

  it('labels once: the other trials read what the first one has kept, whatever their temperature', () => {
    const { stderr } = undisturbed;
    expect(stderr.slice(0, stderr.indexOf('trial 2 of 5'))).not.toContain('read from the cache');
    expect(stderr.match(/labels: 150 of 150 read from the cache/g)).toHaveLength(trials - 1);
  });

  it('keeps each trial as a run that verifies, and draws all of them', async () => {
    for (const { folder } of resultIn('undisturbed').trials) {
      const { isSound, checks } = await verifyRun(at(`undisturbed/${folder}`));
      expect(isSound, JSON.stringify(checks)).toBe(true);
    }
    const page = readFileSync(at('undisturbed/search.html'), 'utf8');
    expect(page.match(/<svg /g)).toHaveLength(4);
    expect(page.match(/<circle /g)).toHaveLength(4 * trials);
  });

  it("writes the best trial's recipe, which gives that trial's student", async () => {
    const { best } = resultIn('undisturbed');
    const text = parse(readFileSync(at('undisturbed/best.yaml'), 'utf8')) as Record<string, unknown>;
    expect([text.search, text.optimizer]).toEqual([
      undefined,
      expect.objectContaining({ learningRate: best?.values['optimizer.learningRate'] }),
    ]);
    const args = ['run', at('undisturbed/best.yaml'), '--workers', '1', '--out', at('again'), '--quiet'];
    const { code, stderr } = await program(args).ended;
    expect(code, stderr).toBe(0);
    expect(digestOf(at('again'))).toBe(digestOf(at(`undisturbed/${best?.folder}`)));
  });

  it('only tells of it again where all trials are over', async () => {
    const before = journal('undisturbed');
    const { code, stdout, stderr } = await search('undisturbed', '--json').ended;
    expect(code, stderr).toBe(0);
    expect([JSON.parse(stdout), journal('undisturbed')]).toEqual([resultIn('undisturbed'), before]);
    expect(stderr).not.toContain('trial 1 of');
  });
});

describe('a search that is killed', () => {
  it('goes on with the trials and the students of one that was not, on other workers too', slow, async () => {
    const moments = [/"type":"epoch","trial":1,"epoch":2/, /"type":"trial","trial":2/, /"type":"end","trial":3/];
    for (const moment of moments) {
      const killed = search('killed', '--workers', '2');
      while (!moment.test(journal('killed')) && killed.child.exitCode === null) await soon(2);
      killed.child.kill('SIGKILL');
      expect((await killed.ended).code).toBeNull();
      expect(journal('killed')).not.toBe(journal('undisturbed'));
    }
    const { code, stderr } = await search('killed').ended;
    expect(code, stderr).toBe(0);
    expect(journal('killed')).toBe(journal('undisturbed'));
    for (const { folder, outcome } of resultIn('killed').trials)
      if (outcome === 'done') expect(digestOf(at(`killed/${folder}`))).toBe(digestOf(at(`undisturbed/${folder}`)));
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('by %s stops in good order with 75, and goes on', slow, async (signal) => {
    const stopped = search(signal);
    while (!journal(signal).includes('"type":"epoch","trial":1')) await soon(2);
    stopped.child.kill(signal);
    const { code, stderr } = await stopped.ended;
    expect(code, stderr).toBe(75);
    expect(stderr).toContain(`the search stopped (${signal}) in trial 1 of 5; run the same command again to continue`);
    expect(journal(signal)).not.toContain('"type":"end"');
    if (signal === 'SIGINT') return;
    expect((await search(signal).ended).code).toBe(0);
    expect(journal(signal)).toBe(journal('undisturbed'));
  });
});

describe('a trial that fails', () => {
  it('is a result with its reason, and the search goes on with the same workers', slow, async () => {
    const rates = 'optimizer.learningRate={choices: [0.001, 1e28, 1e29, 1e30]}';
    // Nothing else is searched and no rate is tried twice, so that two of the trials fail whatever the seed.
    const of = ['search', at('teacher.yaml'), '--trials', '3', '--workers', '1', '--out', at('failing')];
    const { code, stderr } = await program([...of, '--set', 'search.startup=2', '--space', rates]).ended;
    expect(code, stderr).toBe(0);
    const { trials: all, best } = resultIn('failing');
    const failed = all.filter(({ values }) => Number(values['optimizer.learningRate']) > 1);
    expect(all).toHaveLength(3);
    expect(failed).toHaveLength(2);
    expect(failed).toEqual(failed.map(() => expect.objectContaining({ outcome: 'failed', value: null })));
    expect(failed[0]?.reason).toMatch(/3 steps in a row have no update.*(NaN|finite)/);
    expect(best?.values['optimizer.learningRate']).toBe(0.001);
  });
});

describe('a search that cannot be', () => {
  it.each([
    [
      'a key that is none',
      ['--space', 'losses.respnse.weight={from: 0, to: 1}'],
      'search.space.losses.respnse.weight: ',
    ],
    ['an end that its key does not take', ['--space', 'batch.size={from: -4, to: 8, whole: true}'], 'at -4: '],
    ['fractions of a whole number', ['--space', 'batch.size={from: 4.5, to: 8}'], 'at 4.5: '],
    [
      'an empty range',
      ['--space', 'batch.size={from: 8, to: 8}'],
      '--space batch.size={from: 8, to: 8}: no range given',
    ],
    ["another task's objective", ['--set', 'search.objective=r2'], 'search.objective: r2 given; of this task one of'],
    ['nothing to judge by', ['--set', 'data.eval.labels=null'], 'data.eval'],
    ['no trials', ['--trials', '0'], '--trials'],
  ])('is refused with 2 before anything begins: %s', async (_, flags, message) => {
    const { code, stderr } = await search('refused', ...flags).ended;
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
    expect(existsSync(at('refused'))).toBe(false);
  });

  it('is refused in the folder of another search, with what differs', async () => {
    const { code, stderr } = await search('undisturbed', '--seed', '12').ended;
    expect([code, stderr]).toEqual([2, expect.stringMatching(/holds another search: .* there, .* here/)]);
  });
});
