import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockFolder } from '../../../coordinator/store/folder-lock.js';

describe('the lock of a run folder', () => {
  let root = '';
  const run = (): string => join(root, 'run');
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'stillhouse-lock-'));
    mkdirSync(join(run(), 'generations'), { recursive: true });
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it('keeps a second coordinator out, by whatever path it comes, until it is given back', async () => {
    const lock = await lockFolder(run());
    symlinkSync(run(), join(root, 'link'));
    for (const path of [run(), join(root, 'link')])
      await expect(lockFolder(path)).rejects.toMatchObject({
        exitCode: 69,
        message: `${path}: another coordinator is at work on this run folder; end it first, or choose another --out`,
      });
    await lock.close();
    await (await lockFolder(run())).close();
  });

  it('is not that of a copy of the folder', async () => {
    const lock = await lockFolder(run());
    cpSync(run(), join(root, 'copy'), { recursive: true });
    await (await lockFolder(join(root, 'copy'))).close();
    await lock.close();
  });

  it('has a name that the path does not tell, and that its owner alone may read', async () => {
    const guess = `\0stillhouse-${createHash('sha256').update(run()).digest('hex')}`;
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(guess, resolve));
    const lock = await lockFolder(run());
    const file = join(run(), 'generations', 'lock');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const drawn = readFileSync(file, 'utf8');
    expect(drawn).toMatch(/^[0-9a-f]{64}$/);
    await lock.close();
    await (await lockFolder(run())).close();
    expect(readFileSync(file, 'utf8')).toBe(drawn);
    await new Promise((resolve) => squatter.close(resolve));
  });
});
