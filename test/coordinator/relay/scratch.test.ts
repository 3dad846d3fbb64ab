/** What killed relays leave on the disk, and what is not theirs to clear. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { clearLeft, scratchName } from '../../../coordinator/relay/scratch.js';
import { temporaryFolder } from '../../worker/fakes.js';

it('removes what relays have left whose process is gone, and nothing else', async () => {
  const folder = temporaryFolder();
  const own = scratchName();
  const gone = String(spawnSync(process.execPath, ['-e', '']).pid);
  const as = (pid: string, host = own.split('.')[1] ?? ''): string => `relay.${host}.${pid}.0123abcd.1-commits`;
  const kept = [`${own}.1-commits`, as(String(process.ppid)), as(gone, '00000000'), 'something-else'];
  for (const name of [...kept, as(gone), as(String(process.pid))])
    mkdirSync(join(folder, name, 'inside'), { recursive: true });
  await clearLeft(folder, own);
  expect(readdirSync(folder).sort()).toEqual(kept.sort());
});

it('has nothing to remove where there is no folder yet', async () => {
  await expect(clearLeft(join(temporaryFolder(), 'none'), scratchName())).resolves.toBeUndefined();
});
