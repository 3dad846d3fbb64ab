/**
 * `stillhouse backend install cpu|cuda`: builds the native backend in the user's cache folder from pinned parts, proves
 * it by one operation and takes it back if that fails. Works in a scratch folder beside its place, so a failed or
 * killed install leaves nothing that counts.
 */
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { exitCodes, UserError } from '../../../shared/errors.js';
import { cacheFolder } from '../../../shared/cache-folder.js';
import { buildAddon, findCompiler } from './addon.js';
import { installPackages } from './packages.js';
import { bindingVersion, tensorflowVersion, type Flavour } from '../../compute/backends/native/pins.js';
import { copyLibrary, findPythonTensorflow } from './python-tensorflow.js';
import { installCudaLibraries } from './pip.js';
import { terminalTeller, type Teller } from './teller.js';
import { cudaRequirements, unpackWheel } from './wheel-contents.js';
import { getWheel } from './wheel.js';
import {
  findInstalled,
  nativeFolder,
  noteFile,
  type Installed,
  type InstalledNote,
} from '../../compute/backends/native/folder.js';
import { tryBackend, type Trial } from '../../compute/open/backend-trial.js';

export interface InstallWishes {
  readonly flavour: Flavour;
  readonly cache?: string;
  /** A wheel on this disk, instead of a download. */
  readonly wheel?: string | undefined;
  /** Base address of a Python package index, or the wheel's own address. */
  readonly mirror?: string | undefined;
  /** Install again what is installed. */
  readonly force?: boolean;
  readonly tell?: Teller;
}

export interface InstallReport extends Installed {
  /** False when it was there already. */
  readonly isNew: boolean;
  readonly trial: Trial;
}

/**
 * Installs the native backend of that flavour, unless it is there and works.
 * @throws UserError 2 for a wheel that is not there, 65 for parts that are not the pinned ones, 69 for what cannot be had
 * or does not work here
 */
export async function installBackend(wishes: InstallWishes): Promise<InstallReport> {
  const { flavour, cache = cacheFolder(), force = false, tell = terminalTeller() } = wishes;
  checkPlatform();
  if (!force) {
    const there = await reportOf(cache, flavour, false);
    if (there?.trial.works === true) return there;
  }
  await findCompiler(); // before hundreds of megabytes are fetched for nothing
  const target = nativeFolder(cache, flavour);
  await mkdir(dirname(target), { recursive: true });
  const scratch = await mkdtemp(`${target}.scratch-`);
  try {
    await fill(scratch, wishes, cache, tell);
    await rm(target, { recursive: true, force: true });
    await rename(scratch, target);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return provedOrRemoved(cache, flavour, target);
}

/** Fetches with npm before TensorFlow, since what is small and may fail comes first. */
async function fill(scratch: string, wishes: InstallWishes, cache: string, tell: Teller): Promise<void> {
  const { flavour } = wishes;
  tell.say('fetching the bindings');
  await installPackages(scratch, flavour);
  const origin = await fillLibrary(scratch, wishes, cache, tell);
  tell.say('building the bindings');
  await buildAddon(scratch, flavour);
  const note: InstalledNote = {
    flavour,
    tensorflow: tensorflowVersion,
    binding: bindingVersion,
    node: process.version,
    wheel: origin,
  };
  await writeFile(join(scratch, noteFile), `${JSON.stringify(note, null, 2)}\n`);
}

/** Takes TensorFlow from Python's installation of it, if there is one of this version, else from a wheel. @returns which */
async function fillLibrary(
  scratch: string,
  { flavour, wheel, mirror }: InstallWishes,
  cache: string,
  tell: Teller,
): Promise<string> {
  const python = wheel === undefined && mirror === undefined ? await findPythonTensorflow(flavour) : null;
  if (python !== null) {
    tell.say(`taking TensorFlow ${tensorflowVersion} from ${python}`);
    await copyLibrary(python, scratch);
    return python;
  }
  const { path, isDownloaded } = await getWheel({ flavour, downloads: join(cache, 'downloads'), wheel, mirror }, tell);
  tell.say('unpacking TensorFlow');
  await unpackWheel(path, scratch, tell);
  if (flavour === 'cuda') await addCuda(path, scratch, tell);
  if (isDownloaded) await rm(path);
  return basename(path);
}

async function addCuda(wheel: string, scratch: string, tell: Teller): Promise<void> {
  tell.say("fetching CUDA's libraries");
  await installCudaLibraries(await cudaRequirements(wheel, scratch), scratch);
}

async function provedOrRemoved(cache: string, flavour: Flavour, target: string): Promise<InstallReport> {
  const report = await reportOf(cache, flavour, true);
  if (report?.trial.works === true) return report;
  await rm(join(target, noteFile), { force: true });
  throw new UserError(
    `the native backend was built in ${target} and does not work: ${report?.trial.detail ?? 'it is not there'}`,
    exitCodes.unavailable,
  );
}

async function reportOf(cache: string, flavour: Flavour, isNew: boolean): Promise<InstallReport | null> {
  const installed = findInstalled(cache, flavour);
  return installed === null ? null : { ...installed, isNew, trial: await tryBackend(flavour, cache) };
}

function checkPlatform(): void {
  const here = `${process.platform} ${process.arch}`;
  if (here !== 'linux x64')
    throw new UserError(
      `native backend: this machine is ${here}; linux x64 was wanted (wasm works everywhere)`,
      exitCodes.unavailable,
    );
}
