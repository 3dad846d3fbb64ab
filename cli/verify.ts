/** `stillhouse verify`: whether the accounts in a run's folder agree with each other. */
import { exitCodes } from '../shared/errors.js';
import { print } from './output.js';
import { action, type Verb } from './verb.js';

export const verb: Verb = (program) =>
  program
    .command('verify')
    .argument('<run>', 'run folder')
    .description("check a run's accounts against each other")
    .option('--json')
    .action(action(verify));

async function verify(folder: string, { json }: { readonly json?: boolean }): Promise<number> {
  const { verifiedText, verifyRun } = await import('../coordinator/verify/verify.js');
  const verified = await verifyRun(folder);
  print(json === true ? JSON.stringify(verified) : verifiedText(verified));
  return verified.isSound ? exitCodes.done : exitCodes.data;
}
