/** `stillhouse doctor`: what this machine can compute with. */
import { exitCodes } from '../shared/errors.js';
import { print } from './output.js';
import { certificatesHere } from './tls.js';
import { action, type Verb } from './verb.js';

export const verb: Verb = (program) =>
  program
    .command('doctor')
    .description('what this machine can do')
    .option('--json')
    .option('--tls <dir>', 'look at the certificates of the folder, too (else at those of STILLHOUSE_TLS...)')
    .action(action(doctor));

async function doctor({ json, tls }: { readonly json?: boolean; readonly tls?: string }): Promise<number> {
  const { diagnose, formatChecks } = await import('../worker/tools/doctor/doctor.js');
  const checks = await diagnose({ certificates: certificatesHere({ tls }) });
  print(json === true ? JSON.stringify(checks) : formatChecks(checks));
  return checks.some(({ state }) => state === 'fail') ? exitCodes.unavailable : exitCodes.done;
}
