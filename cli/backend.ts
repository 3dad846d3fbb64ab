/** `stillhouse backend install`: installs what computes faster on this machine. */
import { Option } from 'commander';
import { exitCodes, UserError } from '../shared/errors.js';
import { print } from './output.js';
import { collect } from './values.js';
import { action, type Verb } from './verb.js';

interface InstallFlags {
  readonly only?: 'tensorflow' | 'onnx';
  readonly wheel: readonly string[];
  readonly mirror?: string;
  readonly force?: boolean;
}

export const verb: Verb = (program) =>
  program
    .command('backend')
    .description("TensorFlow's native backend, and CUDA for ONNX Runtime")
    .command('install')
    .argument('<flavour>', 'cpu or cuda')
    .addOption(new Option('--only <part>', 'one part of cuda').choices(['tensorflow', 'onnx']))
    .option('--wheel <file>', 'a Python wheel on this disk; may be repeated', collect, [])
    .option('--mirror <url>', "a Python package index, or the wheel's address")
    .option('--force', 'install again')
    .action(action(install));

async function install(flavour: string, { only, wheel, mirror, force = false }: InstallFlags): Promise<number> {
  const { installBackend } = await import('../worker/tools/install/install.js');
  const { installProvider, providerLibraries } = await import('../worker/tools/install/provider.js');
  const { givenWheels } = await import('../worker/tools/install/wheel.js');
  const { pins } = await import('../worker/compute/backends/native/pins.js');
  if (flavour !== 'cpu' && flavour !== 'cuda')
    throw new UserError(`backend install ${flavour}: cpu or cuda was wanted`);
  const hasProvider = flavour === 'cuda' && only !== 'tensorflow';
  if (only === 'onnx' && !hasProvider)
    throw new UserError('backend install cpu --only onnx: the npm package brings it; cuda was wanted');
  const libraries = [...(only === 'onnx' ? [] : [pins[flavour]]), ...(hasProvider ? providerLibraries : [])];
  const wishes = { given: await givenWheels(wheel, libraries), mirror, force };
  // What needs no compiler first: it is of use without the other.
  if (hasProvider) {
    const { isNew, folder, trial } = await installProvider(wishes);
    const found = trial.works
      ? 'a trial operation works. Workers on a GPU compute ONNX models and compiled students with it from now on.'
      : `everything loads but the driver, which this machine lacks (${trial.detail})`;
    print(`onnx cuda: ${wordFor(isNew)} in ${folder}; ${found}`);
  }
  if (only !== 'onnx') {
    const { isNew, folder } = await installBackend(flavour, wishes);
    print(`${flavour}: ${wordFor(isNew)} in ${folder}; a trial operation works. --backend auto takes it from now on.`);
  }
  return exitCodes.done;
}

function wordFor(isNew: boolean): string {
  return isNew ? 'installed' : 'was installed already';
}
