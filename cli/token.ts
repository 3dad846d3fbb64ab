/** `stillhouse token`: makes a join token. */
import { newToken } from '../shared/access/local-token.js';
import { exitCodes } from '../shared/errors.js';
import { print } from './output.js';
import { action, type Verb } from './verb.js';

export const verb: Verb = (program) => program.command('token').description('make a join token').action(action(token));

async function token(): Promise<number> {
  print(newToken());
  return exitCodes.done;
}
