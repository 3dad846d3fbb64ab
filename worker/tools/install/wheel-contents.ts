/** What an install takes out of TensorFlow's wheel: its libraries and headers, and which CUDA libraries it needs. */
import { readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { exitCodes, UserError } from '../../../shared/errors.js';
import type { Teller } from './teller.js';
import { extractEntry, openWheel } from './wheel-archive.js';

const libraries = ['tensorflow/libtensorflow_cc.so.2', 'tensorflow/libtensorflow_framework.so.2'];
/** All that the bindings' two sources include, directly or not. */
const headers = ['tensorflow/c/', 'tensorflow/core/platform/', 'tsl/platform/', 'xla/tsl/c/'].map(
  (name) => `tensorflow/include/${name}`,
);

/**
 * Unpacks the libraries and the headers under `folder/tensorflow`, with the names that the linker wants.
 * @throws UserError 65 when the wheel is damaged or has no libraries
 */
export async function unpackWheel(path: string, folder: string, tell: Teller): Promise<void> {
  const archive = await openWheel(path);
  try {
    const entries = archive.entries.filter(
      ({ name }) =>
        libraries.includes(name) || headers.some((prefix) => name.startsWith(prefix) && !name.endsWith('/')),
    );
    const missing = libraries.filter((name) => !entries.some((entry) => entry.name === name));
    if (missing.length > 0)
      throw new UserError(`${path}: has no ${missing.join(' and no ')}; a TensorFlow wheel was wanted`, exitCodes.data);
    const total = entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    let done = 0;
    for (const entry of entries)
      await extractEntry(path, entry, folder, (bytes) => tell.progress('unpack', (done += bytes), total));
  } finally {
    archive.close();
  }
  await symlink('libtensorflow_cc.so.2', join(folder, 'tensorflow', 'libtensorflow.so'));
  await symlink('libtensorflow_framework.so.2', join(folder, 'tensorflow', 'libtensorflow_framework.so'));
}

/**
 * The CUDA libraries, each a Python package, that the wheel names for its `and-cuda`, as requirement lines for pip.
 * @param scratch a folder for the wheel's METADATA
 * @throws UserError 65 when the wheel is damaged or has no METADATA
 */
export async function cudaRequirements(path: string, scratch: string): Promise<string[]> {
  const archive = await openWheel(path);
  try {
    const entry = archive.entries.find(({ name }) => /^tensorflow-[^/]+\.dist-info\/METADATA$/.test(name));
    if (entry === undefined)
      throw new UserError(`${path}: has no METADATA; a TensorFlow wheel was wanted`, exitCodes.data);
    await extractEntry(path, entry, scratch);
    return parseCudaRequirements(await readFile(join(scratch, entry.name), 'utf8'));
  } finally {
    archive.close();
  }
}

/**
 * Lines `Requires-Dist: nvidia-cudnn-cu12 (<10.0,>=9.3) ; extra == 'and-cuda'`, in either style of version and quotes.
 */
export function parseCudaRequirements(metadata: string): string[] {
  return [...metadata.matchAll(/^Requires-Dist:\s*(nvidia-[^;\n]+?)\s*;\s*extra\s*==\s*['"]and-cuda['"]\s*$/gm)].map(
    ([, requirement = '']) => requirement.replaceAll(/[()\s]/g, ''),
  );
}
