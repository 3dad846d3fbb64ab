/**
 * Opens an ONNX model whose weights may lie in files beside it. onnxruntime maps such files into memory itself, whatever
 * their size, but only under the names that the model gives them, so the model and links to its files are laid into a
 * folder for as long as the session is being opened. A model that names any other file is not opened at all.
 */
import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, link, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { InferenceSession } from 'onnxruntime-node';
import { codeOf } from '../../../../shared/errors.js';
import { foreignReach } from '../../onnx/reach.js';

/** Opens a session on a model's bytes, or on its path. */
export type OpenSession = (model: Uint8Array | string) => Promise<InferenceSession>;

/**
 * @param files the paths of the files beside the model, by the names that the model gives them
 * @throws Error of onnxruntime when the model cannot be loaded, or it reaches for what is not its own
 */
export async function openOnnxSession(
  create: OpenSession,
  model: Uint8Array,
  files: readonly (readonly [name: string, path: string])[],
): Promise<InferenceSession> {
  const foreign = foreignReach(model, new Set(files.map(([name]) => name)));
  if (foreign !== null) throw new Error(foreign);
  if (files.length === 0) return create(model);
  const folder = await mkdtemp(join(tmpdir(), 'stillhouse-onnx-'));
  try {
    for (const [name, path] of files) await lay(join(folder, name), path);
    // A name that none of the files has: one of them would be written over, and it is not ours.
    const file = join(folder, `${randomUUID()}.onnx`);
    await writeFile(file, model, { flag: 'wx' });
    return await create(file);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** A second name for the file, or where the folder lies on another disk a copy of it; never in place of another. */
async function lay(at: string, path: string): Promise<void> {
  await mkdir(dirname(at), { recursive: true });
  await link(path, at).catch((error: unknown) => {
    if (codeOf(error) === 'EEXIST') throw error;
    return copyFile(path, at, constants.COPYFILE_EXCL);
  });
}
