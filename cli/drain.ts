/** `stillhouse drain`: a worker gives back what it holds and leaves, and the run goes on without it. */
import { exitCodes } from '../shared/errors.js';
import { openOperator, withOperator, type OperatorFlags } from './operator.js';
import { print } from './output.js';
import { action, type Verb } from './verb.js';

export const verb: Verb = (program) =>
  withOperator(
    program
      .command('drain')
      .argument('<url>', "the coordinator's address, as workers are told it")
      .argument('<worker>', 'its short name, as status shows it')
      .description('have one worker leave in good order'),
  ).action(action(drain));

async function drain(url: string, worker: string, flags: OperatorFlags): Promise<number> {
  const ask = await openOperator(url, flags);
  await ask({ path: `/drain?worker=${encodeURIComponent(worker)}`, method: 'POST' });
  print(`${worker} gives back what it holds and leaves`);
  return exitCodes.done;
}
