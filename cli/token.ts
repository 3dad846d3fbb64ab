/** `stillhouse token`: makes a join token. */
import { exitCodes } from '../shared/errors.js';
import { print } from './output.js';
import { newToken } from './values.js';
import { action, type Verb } from './verb.js';

export const verb: Verb = (program) => program.command('token').description('make a join token').action(action(token));

async function token(): Promise<number> {
  print(newToken());
  return exitCodes.done;
}
