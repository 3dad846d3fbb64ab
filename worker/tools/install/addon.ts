/**
 * Builds the bindings' addon: two C++ files against TensorFlow's C API and Node-API. One call of the compiler does it:
 * Node-API is the same for every Node, so neither Node's own headers nor node-gyp, make and Python are needed.
 */
import { mkdir, symlink } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { exitCodes, UserError } from '../../../shared/errors.js';
import { bindingFolder } from '../../compute/backends/native/folder.js';
import { lastWords, runCommand } from '../../compute/backends/command.js';
import type { Flavour } from '../../compute/backends/native/pins.js';

/** Node-API's level that the bindings ask for; where they look for the addon is named after it. */
const napiLevel = 8;

/**
 * Compiles the bindings in `folder` for the TensorFlow that lies there.
 * @throws UserError 69 when there is no compiler, or it fails
 */
export async function buildAddon(
  folder: string,
  flavour: Flavour,
  env: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  const packageFolder = bindingFolder(folder, flavour);
  await linkLibrary(folder, packageFolder);
  const output = join(packageFolder, 'lib', `napi-v${napiLevel}`);
  await mkdir(output, { recursive: true });
  const compiler = await findCompiler(env);
  const result = await runCommand(compiler, compilerArgs(folder, packageFolder, join(output, 'tfjs_binding.node')), {
    env,
  });
  if (result.code !== 0)
    throw new UserError(`${compiler}: could not build the bindings (${lastWords(result)})`, exitCodes.unavailable);
}

/** The name of a C++ compiler that runs here: $CXX if it is set. @throws UserError 69 when there is none */
export async function findCompiler(env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const candidates = env.CXX ? [env.CXX] : ['g++', 'c++', 'clang++'];
  for (const candidate of candidates) {
    if ((await runCommand(candidate, ['--version'], { env })).code === 0) return candidate;
  }
  throw new UserError(
    `no C++ compiler (${candidates.join(', ')}); install one, on Debian: apt-get install g++`,
    exitCodes.unavailable,
  );
}

/**
 * Links `deps/lib` and `deps/include` as the bindings' package has them. The libraries look for CUDA in
 * $ORIGIN/../nvidia, which is beside the folder that is linked.
 */
async function linkLibrary(folder: string, packageFolder: string): Promise<void> {
  const deps = join(packageFolder, 'deps');
  await mkdir(deps, { recursive: true });
  await symlink(relative(deps, join(folder, 'tensorflow')), join(deps, 'lib'));
  await symlink(relative(deps, join(folder, 'tensorflow', 'include')), join(deps, 'include'));
}

function compilerArgs(folder: string, packageFolder: string, output: string): string[] {
  const sources = ['tfjs_backend.cc', 'tfjs_binding.cc'].map((name) => join(packageFolder, 'binding', name));
  const includes = [
    join(folder, 'node_modules', 'node-api-headers', 'include'),
    join(packageFolder, 'deps', 'include'),
  ];
  return [
    ...[
      '-std=c++17',
      '-O2',
      '-fPIC',
      '-shared',
      '-w',
      `-DNAPI_VERSION=${napiLevel}`,
      '-DNODE_GYP_MODULE_NAME=tfjs_binding',
      '-DBUILDING_NODE_EXTENSION',
    ],
    ...includes.flatMap((path) => ['-I', path]),
    ...sources,
    ...[
      '-o',
      output,
      `-L${join(packageFolder, 'deps', 'lib')}`,
      '-ltensorflow',
      '-ltensorflow_framework',
      '-Wl,-rpath,$ORIGIN/../../deps/lib',
    ],
  ];
}
