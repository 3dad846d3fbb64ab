/** `stillhouse report`, as its user calls it. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Program } from '../../bench/programs.js';
import { scratchFolder } from './processes.js';

const scratch = scratchFolder();
const at = (name: string): string => join(scratch.path, name);
afterAll(() => scratch.remove());

describe('stillhouse report', () => {
  it('writes the file that it names, also of a run that has only begun', async () => {
    mkdirSync(at('run'));
    writeFileSync(at('run/journal.jsonl'), '');
    const { code, stdout } = await new Program(['report', at('run'), '--output', at('r.html')]).ended;
    expect([code, stdout]).toEqual([0, `${at('r.html')}\n`]);
    expect(readFileSync(at('r.html'), 'utf8')).toMatch(/^<!doctype html>[^]*The run is not finished/);
  });

  it.each([
    ['none', 'r.html', 'none: holds no journal.jsonl; a run folder was wanted'],
    ['run', 'nowhere/r.html', 'nowhere; one that is there was wanted'],
    ['run', 'run', 'run: it is a folder; the name of a file was wanted'],
  ])('refuses %s for %s', async (run, output, text) => {
    const { code, stderr } = await new Program(['report', at(run), '--output', at(output)]).ended;
    expect([code, stderr]).toEqual([2, expect.stringContaining(text)]);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });
});
