import { copyFileSync, mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openTable } from '../../../../cli/prepare/sources/parquet-file.js';

const example = fileURLToPath(new URL('../../../reference/data/hugging-face.parquet', import.meta.url));

describe('a Parquet file', () => {
  let folder = '';
  const file = (): string => join(folder, 'x.parquet');
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'stillhouse-parquet-'));
    copyFileSync(example, file());
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  // An error of a column that nobody waits for any more would fail this test as an unhandled one.
  it.each([
    ['is gone', () => rmSync(file()), 2],
    ['has become shorter', () => truncateSync(file(), 100), 65],
  ])('that %s before its rows are read is one error', async (_, change, exitCode) => {
    const { names, samples, rowsOf } = await openTable(file());
    expect(names.length).toBeGreaterThan(1);
    change();
    await expect(rowsOf(names, 0, samples)).rejects.toMatchObject({ name: 'UserError', exitCode });
    await new Promise((resolve) => setTimeout(resolve, 10));
  });
});
