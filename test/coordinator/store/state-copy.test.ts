/** A large copy is written by a thread, as it is built: needs `npm run build`. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type * as Built from '../../../bench/built.js';
import { payloadOf, sha256Of, temporaryFolder } from '../helpers.js';

const built = new URL('../../../dist/bench/built.js', import.meta.url).href;
const { StateCopy } = (await import(built)) as typeof Built;

describe('a copy of the state', () => {
  it.each([100, 20_000_001])(
    'of %i bytes is written as it was taken, with its SHA-256, as often as it is asked for',
    async (length) => {
      const path = join(await temporaryFolder(), 'state');
      const copy = new StateCopy(length);
      // At once: its memory is still being touched.
      for (const seed of [1, 2]) {
        const state = payloadOf(seed, length);
        copy.take(state);
        expect(await copy.writeTo(path)).toBe(sha256Of(state));
        expect(Buffer.compare(await readFile(path), state)).toBe(0);
      }
      await copy.close();
    },
  );

  it.each([100, 20_000_000])('of %i bytes tells of a disk that is full, and can be written again', async (length) => {
    const copy = new StateCopy(length);
    await expect(copy.writeTo('/dev/full')).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(await copy.writeTo(join(await temporaryFolder(), 'state'))).toBe(sha256Of(new Uint8Array(length)));
    await copy.close();
  });

  it('lets other events come first while a large one is written', async () => {
    const copy = new StateCopy(100_000_000);
    let isDone = false;
    const done = copy.writeTo(join(await temporaryFolder(), 'state')).then(() => (isDone = true));
    for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
    expect(isDone).toBe(false);
    await done;
    await copy.close();
  });
});
