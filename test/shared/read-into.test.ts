import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readInto } from '../../shared/read-into.js';

describe('reading into memory', () => {
  let folder = '';
  const file = (): string => join(folder, 'state');
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'stillhouse-read-'));
    writeFileSync(
      file(),
      Uint8Array.from({ length: 100 }, (_, i) => i),
    );
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('fills shared memory from a place of the file on', () => {
    const target = new Uint8Array(new SharedArrayBuffer(8), 2, 4);
    readInto(file(), target, 50);
    expect([...new Uint8Array(target.buffer)]).toEqual([0, 0, 50, 51, 52, 53, 0, 0]);
  });

  it('says so where the file ends before', () => {
    expect(() => readInto(file(), new Uint8Array(8), 96)).toThrow(/ends at 100; 104 bytes were wanted/);
    expect(() => readInto(join(folder, 'none'), new Uint8Array(1))).toThrow(/ENOENT/);
  });
});
