/**
 * Where ONNX Runtime with its CUDA provider is installed: one folder a version under `backendsFolder`.
 *
 *     BACKENDS/onnx-cuda-1.30.0/
 *       installed.json                    written last: without it the folder does not count
 *       node_modules/onnxruntime-node/    the npm package's JavaScript and binding, with the core and the providers of
 *                                         one build beside the binding
 *       node_modules/onnxruntime-common/
 *       nvidia/{cu13,cudnn}/lib/          CUDA's libraries, where those that look for others beside them find them
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { backendsFolder } from '../installed.js';
import { onnxruntimeVersion } from './pins.js';

/** An ONNX Runtime with the CUDA provider on this machine. */
export interface InstalledProvider {
  readonly folder: string;
  readonly version: string;
}

const noteSchema = z.strictObject({ onnxruntime: z.string(), wheel: z.string() });

/** What `installed.json` says of an installation. */
export type ProviderNote = z.infer<typeof noteSchema>;

export const providerNoteFile = 'installed.json';

/** The folder of an installation of the version that this program wants. @param cache the user's cache folder */
export function providerFolder(cache: string): string {
  return join(backendsFolder(cache), `onnx-cuda-${onnxruntimeVersion}`);
}

/** The folder of the npm package in an installation. @param folder the installation's */
export function runtimeFolder(folder: string): string {
  return join(folder, 'node_modules', 'onnxruntime-node');
}

/** The folder of the binding in the npm package, where the core and the providers are looked for. */
export function bindingPlace(packageFolder: string): string {
  return join(packageFolder, 'bin', 'napi-v6', 'linux', 'x64');
}

/** The installation; null where there is none that is whole. */
export function findProvider(cache: string): InstalledProvider | null {
  const folder = providerFolder(cache);
  let text: string;
  try {
    text = readFileSync(join(folder, providerNoteFile), 'utf8');
  } catch {
    return null; // not installed
  }
  const note = noteSchema.safeParse(JSON.parse(text));
  return note.success ? { folder, version: note.data.onnxruntime } : null;
}
