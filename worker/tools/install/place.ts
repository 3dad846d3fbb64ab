/**
 * Where things are installed. All work is done in a scratch folder beside the place, so a failed or killed install leaves
 * nothing that counts.
 */
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { exitCodes, UserError } from '../../../shared/errors.js';

/** Puts a folder that `fill` has filled in the place of what is there. A process that is told to end clears its scratch. */
export async function fillFolder(target: string, fill: (scratch: string) => Promise<void>): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  const scratch = await mkdtemp(`${target}.scratch-`);
  const clear = (): void => rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
  process.once('exit', clear);
  try {
    await fill(scratch);
    await rm(target, { recursive: true, force: true });
    await rename(scratch, target);
  } finally {
    await rm(scratch, { recursive: true, force: true });
    process.off('exit', clear);
  }
}

/** @throws UserError 69 where nothing of this can be installed */
export function checkPlatform(): void {
  const here = `${process.platform} ${process.arch}`;
  if (here !== 'linux x64')
    throw new UserError(
      `backend install: this machine is ${here}; linux x64 was wanted (wasm works everywhere)`,
      exitCodes.unavailable,
    );
}
