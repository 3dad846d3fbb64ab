/** `stillhouse stop`: a coordinator is asked to stop as a signal would ask it. */
import { exitCodes } from '../shared/errors.js';
import { openOperator, withOperator, type OperatorFlags } from './operator.js';
import { print } from './output.js';
import { action, type Verb } from './verb.js';

export const verb: Verb = (program) =>
  withOperator(
    program
      .command('stop')
      .argument('<url>', "the coordinator's address, as workers are told it")
      .description('stop a run at its next step, with a snapshot'),
  ).action(action(stopRun));

async function stopRun(url: string, flags: OperatorFlags): Promise<number> {
  const ask = await openOperator(url, flags);
  await ask({ path: '/stop', method: 'POST' });
  print('the run stops at its next step, with a snapshot; the same command as before continues it');
  return exitCodes.done;
}
