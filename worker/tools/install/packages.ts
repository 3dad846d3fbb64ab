/**
 * The npm side of an install: the bindings' JavaScript and sources, and Node-API's headers. No install script runs. In
 * the place of a tfjs of its own the bindings get a stub that hands out this program's: one tfjs in a process.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { exitCodes, UserError } from '../../../shared/errors.js';
import { lastWords, runCommand } from '../../compute/backends/command.js';
import {
  bindingVersion,
  headersIntegrity,
  headersVersion,
  pins,
  type Flavour,
} from '../../compute/backends/native/pins.js';

const stub = "module.exports = globalThis[Symbol.for('stillhouse.tfjs')];\n";
const stubbed = ['tfjs', 'tfjs-core'] as const;

/**
 * Lets npm install the bindings of that flavour and Node-API's headers into `folder`.
 * @throws UserError 69 when npm is missing or fails, 65 when a package is not the pinned one
 */
export async function installPackages(folder: string, flavour: Flavour): Promise<void> {
  const { binding, bindingIntegrity } = pins[flavour];
  const dependencies = {
    ...Object.fromEntries(stubbed.map((name) => [`@tensorflow/${name}`, `file:./${name}`])),
    [binding]: bindingVersion,
    'node-api-headers': headersVersion,
  };
  await writeJson(join(folder, 'package.json'), { private: true, dependencies });
  for (const name of stubbed) {
    await mkdir(join(folder, name), { recursive: true });
    await writeJson(join(folder, name, 'package.json'), {
      name: `@tensorflow/${name}`,
      version: bindingVersion,
      main: 'index.js',
    });
    await writeFile(join(folder, name, 'index.js'), stub);
  }
  await runNpm(folder);
  await checkIntegrity(folder, { [binding]: bindingIntegrity, 'node-api-headers': headersIntegrity });
}

async function runNpm(folder: string): Promise<void> {
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'];
  const result = await runCommand('npm', args, { cwd: folder });
  if (result.isMissing)
    throw new UserError('npm: not found; it fetches the bindings and comes with Node.js', exitCodes.unavailable);
  if (result.code !== 0)
    throw new UserError(
      `npm install of the bindings failed (${lastWords(result)}); a reachable package registry was wanted`,
      exitCodes.unavailable,
    );
}

const lockSchema = z.object({ packages: z.record(z.string(), z.object({ integrity: z.string().optional() })) });

/** npm checks each package against the digest that the registry states; here that digest is checked against the pinned one. */
async function checkIntegrity(folder: string, wanted: Readonly<Record<string, string>>): Promise<void> {
  const { packages } = lockSchema.parse(
    JSON.parse(await readFile(join(folder, 'node_modules', '.package-lock.json'), 'utf8')),
  );
  for (const [name, integrity] of Object.entries(wanted)) {
    const found = packages[`node_modules/${name}`]?.integrity;
    if (found !== integrity)
      throw new UserError(
        `npm package ${name}: its digest is ${found ?? 'unknown'}; ${integrity} was wanted`,
        exitCodes.data,
      );
  }
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFile(path, `${JSON.stringify(value, null, 2)}\n`);
}
