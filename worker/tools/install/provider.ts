/**
 * The part of `stillhouse backend install cuda` that brings ONNX Runtime's CUDA provider: the npm package's JavaScript
 * and binding, copied, with the core and the providers of the Python package of the same version, and CUDA's libraries.
 * Nothing is compiled.
 */
import { cp, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { exitCodes, UserError } from '../../../shared/errors.js';
import { cacheFolder } from '../../../shared/cache-folder.js';
import { listGpus } from '../../compute/backends/gpus.js';
import {
  bindingPlace,
  findProvider,
  providerFolder,
  providerNoteFile,
  runtimeFolder,
  type InstalledProvider,
  type ProviderNote,
} from '../../compute/backends/onnxruntime/folder.js';
import { cudaLibraries, onnxruntimeVersion, providerLibrary } from '../../compute/backends/onnxruntime/pins.js';
import { isDriverMissing } from '../../compute/backends/onnxruntime/libraries.js';
import type { PinnedLibrary } from '../../compute/backends/pinned-library.js';
import { tryBackend, type Trial } from '../../compute/open/backend-trial.js';
import type { InstallWishes } from './install.js';
import { checkPlatform, fillFolder } from './place.js';
import { terminalTeller, type Teller } from './teller.js';
import { extractEntry, openWheel } from './wheel-archive.js';
import { getWheel, type WheelWishes } from './wheel.js';

export interface ProviderReport extends InstalledProvider {
  /** False when it was there already. */
  readonly isNew: boolean;
  /** Does not work where there is no driver: all else has been loaded then. */
  readonly trial: Trial;
}

/** All libraries that it is made of. */
export const providerLibraries: readonly PinnedLibrary[] = [providerLibrary, ...cudaLibraries];

/** Files of the wheel with the providers, and their names beside the binding. */
const providerFiles: ReadonlyMap<string, string> = new Map([
  [`onnxruntime/capi/libonnxruntime.so.${onnxruntimeVersion}`, 'libonnxruntime.so.1'],
  ['onnxruntime/capi/libonnxruntime_providers_shared.so', 'libonnxruntime_providers_shared.so'],
  ['onnxruntime/capi/libonnxruntime_providers_cuda.so', 'libonnxruntime_providers_cuda.so'],
]);
const cudaFile = /^nvidia\/(cu13|cudnn)\/lib\/lib[^/]+\.so(\.\d+)*$/;

/**
 * Installs the provider, unless it is there and works. On a machine without a driver it is installed as well, and the
 * report says what is missing.
 * @throws UserError 65 for parts that are not the pinned ones, 69 for what cannot be had or does not work here
 */
export async function installProvider(wishes: InstallWishes): Promise<ProviderReport> {
  const { cache = cacheFolder(), given = new Map(), mirror, force = false, tell = terminalTeller() } = wishes;
  checkPlatform();
  const there = force ? null : findProvider(cache);
  if (there !== null) {
    const trial = await tryBackend('onnx-cuda', cache);
    if (isSound(trial)) return { ...there, isNew: false, trial };
  }
  const target = providerFolder(cache);
  const wheels: WheelWishes = { downloads: join(cache, 'downloads'), given, mirror };
  await fillFolder(target, (scratch) => fill(scratch, wheels, tell));
  const trial = await tryBackend('onnx-cuda', cache);
  if (isSound(trial)) return { folder: target, version: onnxruntimeVersion, isNew: true, trial };
  await rm(join(target, providerNoteFile), { force: true });
  throw new UserError(
    `ONNX Runtime's CUDA provider was installed in ${target} and does not work: ${trial.detail}`,
    exitCodes.unavailable,
  );
}

/** Whether it works, or would with a driver. */
function isSound({ works, detail }: Trial): boolean {
  return works || (listGpus().length === 0 && isDriverMissing(detail));
}

async function fill(scratch: string, wishes: WheelWishes, tell: Teller): Promise<void> {
  await copyPackages(scratch);
  const place = bindingPlace(runtimeFolder(scratch));
  const files = [...providerFiles.keys()];
  await unpack(providerLibrary, { wishes, tell, scratch, isWanted: (name) => files.includes(name) });
  for (const [from, to] of providerFiles) {
    await rename(join(scratch, from), join(place, to)).catch((error: unknown) => {
      throw new UserError(`${providerLibrary.library}: its wheel has no ${from}`, exitCodes.data, error);
    });
  }
  await rm(join(scratch, 'onnxruntime'), { recursive: true });
  for (const pinned of cudaLibraries)
    await unpack(pinned, { wishes, tell, scratch, isWanted: (name) => cudaFile.test(name) });
  const note: ProviderNote = { onnxruntime: onnxruntimeVersion, wheel: providerLibrary.wheels[0].file };
  await writeFile(join(scratch, providerNoteFile), `${JSON.stringify(note, null, 2)}\n`);
}

/** The npm packages of this program, without their scripts, their core and other systems' bindings. */
async function copyPackages(scratch: string): Promise<void> {
  const require = createRequire(import.meta.url);
  const runtime = dirname(require.resolve('onnxruntime-node/package.json'));
  const { version } = require('onnxruntime-node/package.json') as { readonly version: string };
  if (version !== onnxruntimeVersion)
    throw new Error(`onnxruntime-node is ${version}; its provider is pinned to ${onnxruntimeVersion}`);
  const common = folderOf('onnxruntime-common', createRequire(join(runtime, 'package.json')));
  const target = runtimeFolder(scratch);
  await mkdir(bindingPlace(target), { recursive: true });
  for (const name of ['package.json', 'dist']) await cp(join(runtime, name), join(target, name), { recursive: true });
  const binding = 'onnxruntime_binding.node';
  await cp(join(bindingPlace(runtime), binding), join(bindingPlace(target), binding));
  await cp(common, join(dirname(target), 'onnxruntime-common'), { recursive: true });
}

/** The folder of a package that does not export its package.json. */
function folderOf(name: string, require: NodeJS.Require): string {
  const file = require.resolve(name);
  return file.slice(0, file.lastIndexOf(join('node_modules', name)) + join('node_modules', name).length);
}

interface Unpacking {
  readonly wishes: WheelWishes;
  readonly tell: Teller;
  readonly scratch: string;
  readonly isWanted: (name: string) => boolean;
}

/** Gets a library's wheel and unpacks the wanted files under the scratch folder, by their own names. */
async function unpack(pinned: PinnedLibrary, { wishes, tell, scratch, isWanted }: Unpacking): Promise<void> {
  const { path, isDownloaded } = await getWheel(pinned, wishes, tell);
  const archive = await openWheel(path);
  try {
    const entries = archive.entries.filter(({ name }) => isWanted(name));
    if (entries.length === 0)
      throw new UserError(`${path}: has no libraries; a wheel of ${pinned.library} was wanted`, exitCodes.data);
    const total = entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    let done = 0;
    for (const entry of entries)
      await extractEntry(path, entry, scratch, (bytes) => tell.progress('unpack', (done += bytes), total));
  } finally {
    archive.close();
  }
  if (isDownloaded) await rm(path);
}
