/** Event files of a real run whose coordinator was killed, read by the real TensorBoard. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { commitsOf, Program, soon } from '../../bench/programs.js';
import { barsRecipe, steps, writeBars } from '../e2e/bars.js';
import { scratchFolder } from '../e2e/processes.js';

const python = process.env.STILLHOUSE_TRACKERS ?? 'python3';
const scratch = scratchFolder();
const at = (name: string): string => join(scratch.path, name);
afterAll(() => scratch.remove());

const runSchema = z.object({
  scalars: z.record(z.string(), z.array(z.tuple([z.number(), z.number()]))),
  texts: z.record(z.string(), z.string()),
  hparams: z.record(z.string(), z.union([z.number(), z.string(), z.boolean()])),
});

function readByTensorBoard(folder: string): z.infer<typeof runSchema> {
  const script = fileURLToPath(new URL('read_events.py', import.meta.url));
  const text = execFileSync(python, [script, folder], { encoding: 'utf8' });
  return z.object({ '.': runSchema }).parse(JSON.parse(text))['.'];
}

describe('TensorBoard', () => {
  it('reads each step of a run once that was killed and went on, its epochs, and its recipe', async () => {
    writeBars(scratch.path);
    writeFileSync(at('recipe.yaml'), barsRecipe({ student: '{ builtin: mlp, hidden: [256] }' }));
    mkdirSync(at('cache'));
    const out = at('runs/bars');
    const args = ['run', at('recipe.yaml'), '--workers', '1', '--out', out];
    const first = new Program(args, { STILLHOUSE_CACHE: at('cache') }, 100_000);
    while (commitsOf(out).length < 5) await soon();
    first.child.kill('SIGKILL');
    await first.ended;
    const second = await new Program(args, { STILLHOUSE_CACHE: at('cache') }, 100_000).ended;
    expect([second.code, second.stderr]).toEqual([0, expect.any(String)]);

    const { scalars, texts, hparams } = readByTensorBoard(join(out, 'events'));
    const commits = commitsOf(out);
    expect(commits).toHaveLength(steps);
    // Of a batch with labels the term is a mean over these; the first steps of an epoch may have none.
    expect(scalars['loss/total']?.map(([step]) => step)).toEqual(commits.map(({ step }) => step + 1));
    expect(scalars['optimizer/learningRate']?.every(([, rate]) => Math.abs(rate - 0.001) < 1e-9)).toBe(true);
    expect(scalars['accuracy/student']?.map(([step]) => step)).toEqual([5, 10, 15, 20, 25, 30]);
    expect(scalars['loss/crossEntropy']?.length).toBeGreaterThan(0);
    expect(texts.recipe).toContain('    seed: 11');
    expect(hparams).toMatchObject({ seed: 11, 'optimizer.name': 'adam', 'batch.size': 32 });
  });
});
