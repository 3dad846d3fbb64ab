/** `stillhouse doctor`: what this machine can compute with. */
import { exitCodes } from '../shared/errors.js';
import { print } from './output.js';
import { action, type Verb } from './verb.js';

export const verb: Verb = (program) =>
  program.command('doctor').description('what this machine can do').option('--json').action(action(doctor));

async function doctor({ json }: { readonly json?: boolean }): Promise<number> {
  const { diagnose, formatChecks } = await import('../worker/tools/doctor/doctor.js');
  const checks = await diagnose();
  print(json === true ? JSON.stringify(checks) : formatChecks(checks));
  return checks.some(({ state }) => state === 'fail') ? exitCodes.unavailable : exitCodes.done;
}
