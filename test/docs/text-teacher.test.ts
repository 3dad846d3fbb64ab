/** What docs/labels.md shows of a teacher of texts is a recipe that runs, on lists of different lengths. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { Program, type Ended } from '../../bench/programs.js';
import { scratchFolder } from '../e2e/processes.js';

const scratch = scratchFolder();
const at = (name: string): string => join(scratch.path, name);
afterAll(() => scratch.remove());

const file = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const [, shown = ''] = /^```yaml\n(teachers:\n[\s\S]*?attention_mask:[\s\S]*?)^```$/m.exec(
  readFileSync(file('docs/labels.md'), 'utf8'),
) ?? [''];

function stillhouse(...args: string[]): Promise<Ended> {
  return new Program(args, { STILLHOUSE_CACHE: at('cache') }).ended;
}

/** A recipe of what the page shows, and of what such a run needs besides. */
function writeRecipe(name: string, text: string): void {
  copyFileSync(file('test/reference/data/encoders/bert.onnx'), at('bert.onnx'));
  const rows = Array.from({ length: 24 }, (_, row) => ({
    tokens: Array.from({ length: 1 + (row % 6) }, (_, i) => 1 + ((row * 7 + i * 5) % 11)),
    label: row % 3,
  }));
  writeFileSync(at('train.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const recipe = {
    ...(parse(text) as object),
    student: { builtin: 'mlp', hidden: [4] },
    ensemble: { allowChance: true },
    losses: { response: { weight: 1, temperature: 2 } },
    optimizer: { name: 'sgd', learningRate: 0.01 },
    batch: { size: 8, micro: 4 },
    steps: 3,
  };
  writeFileSync(at(name), stringify(recipe));
}

describe('the teacher of texts in docs/labels.md', () => {
  it('labels texts of different lengths in a run', async () => {
    writeRecipe('recipe.yaml', shown);
    const checked = await stillhouse('validate', at('recipe.yaml'));
    expect(checked.code, checked.stderr).toBe(0);
    const { code, stderr } = await stillhouse('run', at('recipe.yaml'), '--workers', '1', '--out', at('out'));
    expect(code, stderr).toBe(0);
    expect(JSON.parse(readFileSync(at('out/summary.json'), 'utf8'))).toMatchObject({ steps: 3, samples: 24 });
  });

  it('is told of them where the recipe does not say how long they are to be', async () => {
    const text = shown.replace(/, pad: [^\n]*\} \} (?=\})/, ' ');
    expect(text).not.toBe(shown);
    writeRecipe('bare.yaml', text);
    const { code, stderr } = await stillhouse('validate', at('bare.yaml'));
    expect(code).toBe(65);
    expect(stderr).toMatch(
      /train\.jsonl: line 2, tokens has length 2, and 1 in the first row; the same length was wanted, or pad: \{ tokens: /,
    );
  });
});
