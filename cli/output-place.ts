/** Where a verb writes a file that its user names. */
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UserError } from '../shared/errors.js';
import { ifReachable, ifThere } from '../shared/files.js';

/** Looks before the work is done, which may take long. @throws UserError 2 where no file can be written */
export async function expectPlace(flag: string, out: string): Promise<void> {
  const around = dirname(out);
  if ((await ifReachable(stat(around)))?.isDirectory() !== true)
    throw new UserError(`${flag} ${out}: there is no folder ${around}; one that is there was wanted`);
  if ((await ifThere(stat(out)))?.isDirectory() === true)
    throw new UserError(`${flag} ${out}: it is a folder; the name of a file was wanted`);
}
