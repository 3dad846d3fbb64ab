/** What the documents say of the tests is kept true: every test that they name exists under that name. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const rows = readFileSync(join(root, 'docs/invariants.md'), 'utf8')
  .split('\n')
  .filter((line) => /^\| \d/.test(line));
const named = rows.flatMap((row) =>
  [...row.matchAll(/`(test\/[^`]+)` "([^"]+)"/g)].map(([, file = '', title = '']) => [file, title] as const),
);

describe('docs/invariants.md', () => {
  it('has a row for each of the first 25 invariants, and further ones in their order', () => {
    const numbers = rows.map((row) => Number(row.split('|')[1]));
    expect(numbers.slice(0, 25)).toEqual(Array.from({ length: 25 }, (_, i) => i + 1));
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
  });

  it('names two tests for each, or says what is missing', () => {
    expect(rows.filter((row) => (row.match(/`test\//g) ?? []).length < 2 && !row.includes('yet')).length).toBe(0);
  });

  it.each(named)('%s has "%s"', (file, title) => {
    expect(existsSync(join(root, file)), `${file} exists`).toBe(true);
    expect(readFileSync(join(root, file), 'utf8')).toContain(title);
  });

  it('names scenarios that are there', () => {
    const scenarios = rows.flatMap((row) => [...row.matchAll(/[\w-]+\.txt/g)].map(([name]) => name));
    expect(scenarios.filter((name) => !existsSync(join(root, 'test/scenarios', name)))).toEqual([]);
  });
});
