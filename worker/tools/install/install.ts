/**
 * The part of `stillhouse backend install` that builds the native backend in the user's cache folder from pinned parts,
 * proves it by one operation and takes it back if that fails.
 */
import { rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { exitCodes, UserError } from '../../../shared/errors.js';
import { cacheFolder } from '../../../shared/cache-folder.js';
import { buildAddon, findCompiler } from './addon.js';
import { checkPlatform, fillFolder } from './place.js';
import { installPackages } from './packages.js';
import { bindingVersion, pins, tensorflowVersion, type Flavour } from '../../compute/backends/native/pins.js';
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

/** What an install is told, whatever it installs. */
export interface InstallWishes {
  readonly cache?: string;
  /** By library, a wheel on this disk, instead of a download. */
  readonly given?: ReadonlyMap<string, string>;
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
export async function installBackend(flavour: Flavour, wishes: InstallWishes): Promise<InstallReport> {
  const { cache = cacheFolder(), force = false, tell = terminalTeller() } = wishes;
  checkPlatform();
  if (!force) {
    const there = await reportOf(cache, flavour, false);
    if (there?.trial.works === true) return there;
  }
  await findCompiler(); // before hundreds of megabytes are fetched for nothing
  const target = nativeFolder(cache, flavour);
  await fillFolder(target, (scratch) => fill(scratch, flavour, { wishes, cache, tell }));
  return provedOrRemoved(cache, flavour, target);
}

interface Filling {
  readonly wishes: InstallWishes;
  readonly cache: string;
  readonly tell: Teller;
}

/** Fetches with npm before TensorFlow, since what is small and may fail comes first. */
async function fill(scratch: string, flavour: Flavour, filling: Filling): Promise<void> {
  const { tell } = filling;
  tell.say('fetching the bindings');
  await installPackages(scratch, flavour);
  const origin = await fillLibrary(scratch, flavour, filling);
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
  flavour: Flavour,
  { wishes: { given = new Map(), mirror }, cache, tell }: Filling,
): Promise<string> {
  const pinned = pins[flavour];
  const isOpen = !given.has(pinned.library) && mirror === undefined;
  const python = isOpen ? await findPythonTensorflow(flavour) : null;
  if (python !== null) {
    tell.say(`taking TensorFlow ${tensorflowVersion} from ${python}`);
    await copyLibrary(python, scratch);
    return python;
  }
  const { path, isDownloaded } = await getWheel(pinned, { downloads: join(cache, 'downloads'), given, mirror }, tell);
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
