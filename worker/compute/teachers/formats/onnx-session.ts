/**
 * Opens an ONNX model whose weights may lie in files beside it. onnxruntime maps such files into memory itself, whatever
 * their size, but only under the names that the model gives them, so the model and links to its files are laid into a
 * folder for as long as the session is being opened.
 */
import { copyFile, link, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, normalize } from 'node:path';
import type { InferenceSession } from 'onnxruntime-node';

/** Opens a session on a model's bytes, or on its path. */
export type OpenSession = (model: Uint8Array | string) => Promise<InferenceSession>;

/**
 * @param files the paths of the files beside the model, by the names that the model gives them
 * @throws Error of onnxruntime when the model cannot be loaded, or a name leads out of the model's folder
 */
export async function openOnnxSession(
  create: OpenSession,
  model: Uint8Array,
  files: readonly (readonly [name: string, path: string])[],
): Promise<InferenceSession> {
  if (files.length === 0) return create(model);
  const folder = await mkdtemp(join(tmpdir(), 'stillhouse-onnx-'));
  try {
    for (const [name, path] of files) await lay(join(folder, inside(name)), path);
    const file = join(folder, 'model.onnx');
    await writeFile(file, model);
    return await create(file);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** A name relative to the model's folder, without detours. */
function inside(name: string): string {
  const plain = normalize(name);
  if (plain.startsWith('..') || plain.startsWith('/'))
    throw new Error(`it keeps weights in ${name}; a file in its own folder was wanted`);
  return plain;
}

/** A second name for the file, or where the folder lies on another disk a copy of it. */
async function lay(at: string, path: string): Promise<void> {
  await mkdir(dirname(at), { recursive: true });
  await link(path, at).catch(() => copyFile(path, at));
}
