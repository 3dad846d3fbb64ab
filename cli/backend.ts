/** `stillhouse backend install`: installs a native backend on this machine. */
import { exitCodes, UserError } from '../shared/errors.js';
import { print } from './output.js';
import { action, type Verb } from './verb.js';

interface InstallFlags {
  readonly wheel?: string;
  readonly mirror?: string;
  readonly force?: boolean;
}

export const verb: Verb = (program) =>
  program
    .command('backend')
    .description('native backends')
    .command('install')
    .argument('<flavour>', 'cpu or cuda')
    .option('--wheel <file>', 'a TensorFlow wheel on this disk')
    .option('--mirror <url>', "a Python package index, or the wheel's address")
    .option('--force', 'install again')
    .action(action(install));

async function install(flavour: string, { wheel, mirror, force = false }: InstallFlags): Promise<number> {
  const { installBackend } = await import('../worker/tools/install/install.js');
  if (flavour !== 'cpu' && flavour !== 'cuda')
    throw new UserError(`backend install ${flavour}: cpu or cuda was wanted`);
  const { isNew, folder } = await installBackend({ flavour, wheel, mirror, force });
  print(
    `${flavour}: ${isNew ? 'installed' : 'was installed already'} in ${folder}; a trial operation works. --backend auto takes it from now on.`,
  );
  return exitCodes.done;
}
