/**
 * Where native backends are installed, and which are: one folder a flavour and version under `backendsFolder`.
 *
 *     BACKENDS/cpu-2.21.0-4.22.0/
 *       installed.json                    written last: without it the folder does not count
 *       tensorflow/                       libraries and headers; nvidia/ beside it for cuda
 *       tfjs/                             hands this program's own tfjs to the bindings: one tfjs in a process
 *       node_modules/@tensorflow/tfjs-node/{deps/lib -> tensorflow, lib/napi-v8/tfjs_binding.node}
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { backendsFolder } from '../installed.js';
import { bindingVersion, flavours, pins, tensorflowVersion, type Flavour } from './pins.js';

/** A native backend that is installed on this machine. */
export interface Installed {
  readonly flavour: Flavour;
  readonly folder: string;
  /** The bindings' package folder. */
  readonly bindingFolder: string;
  readonly tensorflow: string;
  readonly binding: string;
}

const noteSchema = z.strictObject({
  flavour: z.enum(flavours),
  tensorflow: z.string(),
  binding: z.string(),
  node: z.string(),
  wheel: z.string(),
});

/** What `installed.json` says of an installation. */
export type InstalledNote = z.infer<typeof noteSchema>;

export const noteFile = 'installed.json';

/** The folder of an installation of the versions that this program wants. @param cache the user's cache folder */
export function nativeFolder(cache: string, flavour: Flavour): string {
  return join(backendsFolder(cache), `${flavour}-${tensorflowVersion}-${bindingVersion}`);
}

/** The package folder of the bindings in an installation. @param folder the installation's */
export function bindingFolder(folder: string, flavour: Flavour): string {
  return join(folder, 'node_modules', pins[flavour].binding);
}

/** What a whole install of this flavour says of itself; null where there is none. */
export function findInstalled(cache: string, flavour: Flavour): Installed | null {
  const folder = nativeFolder(cache, flavour);
  const note = readNote(join(folder, noteFile));
  if (note === null) return null;
  return {
    flavour,
    folder,
    bindingFolder: bindingFolder(folder, flavour),
    tensorflow: note.tensorflow,
    binding: note.binding,
  };
}

function readNote(path: string): InstalledNote | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return null; // not installed
  }
  const note = noteSchema.safeParse(JSON.parse(text));
  return note.success ? note.data : null;
}
