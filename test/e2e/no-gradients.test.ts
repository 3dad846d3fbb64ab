/**
 * A run that keeps no gradients on the disk: killed, its coordinator goes back to the newest snapshot and comes to the
 * same weights; whoever joins between two snapshots is given one of its own.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commitsOf, Program } from '../../bench/programs.js';
import { afterRewinds, journalLineSchema, type JournalLine } from '../../coordinator/store/journal.js';
import { barsRecipe, steps, writeBars } from './bars.js';
import { digestOf, freePorts, scratchFolder, startCoordinator, startWorker, urlOf, type Place } from './processes.js';

const scratch = scratchFolder();
const at = (name: string): string => join(scratch.path, name);
const more = 'log: { gradients: false }\nsnapshots: { everySteps: 7 }\n';
const student = '{ builtin: mlp, hidden: [16] }';
let usual = '';

beforeAll(async () => {
  writeBars(scratch.path);
  writeFileSync(at('usual.yaml'), barsRecipe({ student }));
  writeFileSync(at('recipe.yaml'), barsRecipe({ student, more }));
  const args = ['run', at('usual.yaml'), '--workers', '1', '--out', at('usual')];
  const { code, stderr } = await new Program(args, { STILLHOUSE_CACHE: at('cache') }).ended;
  expect(code, stderr).toBe(0);
  usual = digestOf(at('usual'));
});
afterAll(() => scratch.remove());

const placeOf = (name: string): Place => ({ recipe: at('recipe.yaml'), out: at(name), caches: at(`${name}-caches`) });

function linesOf(out: string): JournalLine[] {
  const lines = readFileSync(join(out, 'journal.jsonl'), 'utf8').trim().split('\n');
  return lines.map((line) => {
    const { chain: _chain, ...rest } = JSON.parse(line) as Record<string, unknown>;
    return journalLineSchema.parse(rest);
  });
}

/** Steps of the snapshots that are whole. */
function snapshotsOf(out: string): number[] {
  return readdirSync(join(out, 'snapshots')).flatMap((name) => (/^\d+-\w+\.json$/.test(name) ? [parseInt(name)] : []));
}

async function expectSound(out: string): Promise<void> {
  const { code, stdout } = await new Program(['verify', out], {}).ended;
  expect(code, stdout).toBe(0);
  expect(stdout).toContain('log: empty: log.gradients is false');
}

describe('a run without gradients in its log', () => {
  it.each(['after-fsync@12', 'partial-release@26', 'snapshot@2'])(
    'whose coordinator is killed at %s goes on from its newest snapshot, to the same weights',
    async (fault) => {
      const place = placeOf(fault);
      const [port = 0] = await freePorts(1);
      const first = startCoordinator(place, { port, expect: 2, environment: { STILLHOUSE_FAULT: fault } });
      const url = await urlOf(first);
      const workers = ['w0', 'w1'].map((name) => startWorker(place, name, url));
      expect((await first.ended).code, first.stderr).toBeNull();
      expect(first.stderr).toMatch(/log\.gradients is false: no commit is written \(the disk of .* takes \d+ MB\/s\)/);
      const reached = commitsOf(place.out).length;
      expect(reached).toBeLessThan(steps);
      expect(readdirSync(join(place.out, 'log'))).toEqual([]);
      const newest = Math.max(...snapshotsOf(place.out));
      expect(newest).toBeLessThan(reached);
      // Both are waited for: one alone could be done before the other has found the new coordinator.
      const second = startCoordinator(place, { port, expect: 2 });
      expect((await second.ended).code, second.stderr).toBe(0);
      for (const worker of workers) expect((await worker.ended).code, worker.stderr).toBe(0);
      expect(digestOf(place.out)).toBe(usual);
      const lines = linesOf(place.out);
      const [rewind] = lines.filter((line) => line.type === 'rewind');
      expect(rewind).toMatchObject({ toStep: newest });
      const counted = afterRewinds(lines).flatMap((line) => (line.type === 'commit' ? [line.step] : []));
      expect(counted).toEqual(Array.from({ length: steps }, (_, i) => i));
      await expectSound(place.out);
    },
  );

  it('gives a worker that joins between two snapshots one of its own', async () => {
    const place = placeOf('joined');
    const coordinator = startCoordinator(place);
    const url = await urlOf(coordinator);
    const dying = startWorker(place, 'w0', url, { STILLHOUSE_FAULT: 'before-fsync@6' });
    expect((await dying.ended).code, dying.stderr).toBeNull();
    // What was committed since the first snapshot is gone but for the newest, and nothing more is until another joins.
    expect(snapshotsOf(place.out)).toEqual([0]);
    const worker = startWorker(place, 'w1', url);
    expect((await worker.ended).code, worker.stderr).toBe(0);
    expect((await coordinator.ended).code, coordinator.stderr).toBe(0);
    expect(coordinator.stderr).toMatch(/a snapshot at step [456] for .*, which joins/);
    expect(digestOf(place.out)).toBe(usual);
    await expectSound(place.out);
  });
});
