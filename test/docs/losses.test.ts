/** docs/losses.md has the tables that shared/losses/table.ts gives. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { lossTables } from './losses-reference.js';

const page = '../../docs/losses.md';
const [begin, end] = [
  '<!-- Written from shared/losses/table.ts: npx vitest run test/docs/losses.test.ts -u -->\n',
  '\n\n<!-- The end of what is written from the table. -->',
];

describe('docs/losses.md', () => {
  it('has the tables that the losses give', async () => {
    const text = readFileSync(new URL(page, import.meta.url), 'utf8');
    const [before = '', rest = ''] = text.split(begin);
    const after = rest.slice(rest.indexOf(end));
    expect(after.startsWith(end)).toBe(true);
    await expect(`${before}${begin}${lossTables()}${after}`).toMatchFileSnapshot(page);
  });
});
