/**
 * A loss plug-in through the built program: installed on each machine, compared when a worker joins, the same bits for
 * any number of workers.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commitsOf, Program, type Ended } from '../../bench/programs.js';
import { barsRecipe, writeBars } from './bars.js';
import { curveOf, digestOf, scratchFolder, startCoordinator, startWorker, urlOf, type Place } from './processes.js';

const scratch = scratchFolder();
const at = (name: string): string => join(scratch.path, name);
afterAll(() => scratch.remove());

const focal = readFileSync(new URL('../../examples/plugins/focal.js', import.meta.url), 'utf8');
const other = focal.replace('gamma = 2', 'gamma = 3');
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const installed = (folder: string): Record<string, string> => ({ STILLHOUSE_PLUGINS: at(folder) });

beforeAll(() => {
  writeBars(scratch.path);
  for (const [folder, text] of [
    ['ours', focal],
    ['theirs', other],
    ['broken', focal.replace('return { values', 'return { gone: values')],
  ] as const) {
    mkdirSync(at(folder));
    writeFileSync(at(`${folder}/focal.js`), text);
  }
  mkdirSync(at('nothing'));
  const plain = barsRecipe({ student: '{ builtin: mlp, hidden: [16] }' });
  writeFileSync(
    at('r.yaml'),
    plain
      .replace(
        'crossEntropy: { weight: 0.5 }',
        'crossEntropy: { weight: 0.5 }\n  plugins: { focal: { weight: 0.5, over: labelled } }',
      )
      .replace('epochs: 6', 'epochs: 2'),
  );
});

function run(out: string, plugin: string[], environment: Record<string, string> = {}): Promise<Ended> {
  return new Program(['run', at('r.yaml'), '--workers', '1', '--backend', 'wasm', '--out', at(out), ...plugin], {
    STILLHOUSE_CACHE: at(`cache-${out}`),
    ...environment,
  }).ended;
}

describe('a loss plug-in', () => {
  it('trains a run over two workers to the bits of one, beside workers that are refused for theirs', async () => {
    const place: Place = { recipe: at('r.yaml'), out: at('two'), caches: at('caches-two') };
    const coordinator = startCoordinator(place, { expect: 2, environment: installed('ours') });
    const url = await urlOf(coordinator);
    const [wrong, none] = await Promise.all([
      startWorker(place, 'wrong', url, installed('theirs')).ended,
      startWorker(place, 'none', url, installed('nothing')).ended,
    ]);
    const ends =
      'on this worker, ' +
      sha256(focal) +
      ' is wanted by the run; install the same file (--plugin, or the folder STILLHOUSE_PLUGINS)\n';
    expect(wrong.stderr).toContain(`stillhouse: plug-in focal: ${sha256(other)} is installed ${ends}`);
    expect(none.stderr).toContain(`stillhouse: plug-in focal: none is installed ${ends}`);
    expect([wrong.code, none.code]).toEqual([77, 77]);
    const workers = ['w0', 'w1'].map((name) => startWorker(place, name, url, installed('ours')));
    const [ended, ...codes] = [
      await coordinator.ended,
      ...(await Promise.all(workers.map(async (worker) => (await worker.ended).code))),
    ];
    expect(ended.code, ended.stderr).toBe(0);
    expect(codes).toEqual([0, 0]);
    expect(ended.stderr).toContain('total = 0.5 x crossEntropy + 0.5 x plugins.focal\n');
    expect(ended.stderr).toContain(`plug-in focal: ${sha256(other)} is installed on this worker`);

    const alone = await run('one', ['--plugin', at('ours/focal.js')]);
    expect(alone.code, alone.stderr).toBe(0);
    expect([digestOf(at('two')), curveOf(at('two'))]).toEqual([digestOf(at('one')), curveOf(at('one'))]);
    expect(commitsOf(at('one')).every(({ loss }) => (loss['plugins.focal'] ?? 0) > 0)).toBe(true);
    expect(readFileSync(at('one/recipe.yaml'), 'utf8')).toContain(`focal: ${sha256(focal)}`);
  }, 120_000);

  it.each([
    [
      'is nowhere',
      [],
      'nothing',
      'losses.plugins.focal: not installed here; --plugin focal.js, a folder STILLHOUSE_PLUGINS that has it, or its sha256 wanted',
      2,
    ],
    [
      'gives something else than was wanted',
      [],
      'broken',
      'plug-in focal: it gave no values; an array of 4 numbers wanted',
      65,
    ],
    ['is another in two places', ['--plugin', 'theirs/focal.js'], 'ours', 'focal.js: another plug-in focal is', 2],
  ])(
    'that %s is refused',
    async (_, flags, folder, text, code) => {
      const ended = await run(
        `refused-${folder}`,
        flags.map((flag) => (flag.endsWith('.js') ? at(flag) : flag)),
        installed(folder),
      );
      expect(ended.stderr).toContain(text);
      expect(ended.stderr).not.toMatch(/^\s+at /m);
      expect(ended.code).toBe(code);
    },
    60_000,
  );
});
