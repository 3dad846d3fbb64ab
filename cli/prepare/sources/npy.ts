/** NumPy's arrays: `file.npy`, or `set.npz#x` for the array x of an archive. */
import { arrayFiles, openArrays, type NumberArray } from './arrays.js';
import { readDataFile } from './files.js';
import { openNpz, readNpy } from './npy-array.js';
import type { SourceFormat } from './source.js';

export const npy: SourceFormat<'npy'> = {
  files: (recipe) =>
    Object.fromEntries(Object.entries(arrayFiles(recipe)).map(([key, name]) => [key, name?.split('#')[0]])),
  open: (recipe, context) => openArrays(recipe, context, readArray),
};

/** @param spec `file.npy`, `file.npz#name`, or `file.npz` with `fallback` as the array's name */
async function readArray(spec: string, fallback: string): Promise<NumberArray> {
  const [path = spec, array = fallback] = spec.split('#');
  if (!path.endsWith('.npz')) {
    const bytes = await readDataFile(path);
    return readNpy(path, { sizeBytes: bytes.length, pieces: [bytes] });
  }
  const archive = await openNpz(path);
  try {
    return await archive.read(array, spec);
  } finally {
    archive.close();
  }
}
