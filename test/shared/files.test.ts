import { mkdtemp, readdir, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ifReachable, ifThere } from '../../shared/files.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stillhouse-files-'));
  await writeFile(join(folder, 'here'), 'text');
});
afterEach(() => rm(folder, { recursive: true }));

describe.each([
  ['ifThere', ifThere],
  ['ifReachable', ifReachable],
] as const)('%s', (_, guard) => {
  it('gives what an access gives', async () => {
    expect(await guard(readFile(join(folder, 'here'), 'utf8'))).toBe('text');
    expect(await guard(readdir(folder))).toEqual(['here']);
  });

  it('gives null for what is not there, whatever was to be done with it', async () => {
    const absent = join(folder, 'absent');
    const accesses = [readFile(absent), stat(absent), readdir(absent), unlink(absent), stat(join(absent, 'below'))];
    expect(await Promise.all(accesses.map((access: Promise<unknown>) => guard(access)))).toEqual(
      accesses.map(() => null),
    );
  });

  it('passes every other error on', async () => {
    await expect(guard(readFile(folder))).rejects.toMatchObject({ code: 'EISDIR' });
    await expect(guard(Promise.reject(new Error('another')))).rejects.toThrow('another');
  });
});

it('what lies below a file is an error for ifThere, and null for ifReachable', async () => {
  const file = join(folder, 'here');
  await expect(ifThere(stat(join(file, 'below')))).rejects.toMatchObject({ code: 'ENOTDIR' });
  await expect(ifThere(readdir(file))).rejects.toMatchObject({ code: 'ENOTDIR' });
  expect(await ifReachable(stat(join(file, 'below')))).toBeNull();
  expect(await ifReachable(readdir(file))).toBeNull();
});
