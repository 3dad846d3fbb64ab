/** NumPy's arrays: `file.npy`, or `set.npz#x` for the array x of an archive. */
import { arrayFiles, openArrays, type NumberArray } from './arrays.js';
import { readDataFile } from './files.js';
import { openNpz, readNpy } from './npy-array.js';
import type { SourceFormat } from './source.js';

export const npy: SourceFormat<'npy'> = {
  files: (recipe) =>
    Object.fromEntries(
      Object.entries(arrayFiles(recipe)).map(([key, name]) => [
        key,
        name === undefined ? undefined : placeOf(name).path,
      ]),
    ),
  open: (recipe, context) => openArrays(recipe, context, readArray),
};

/** The file of an array, and the array's name in it: behind the last `.npz#`, since paths may have a `#` as well. */
function placeOf(spec: string): { readonly path: string; readonly array?: string } {
  const at = spec.toLowerCase().lastIndexOf('.npz#');
  return at < 0 ? { path: spec } : { path: spec.slice(0, at + 4), array: spec.slice(at + 5) };
}

function isArchive(path: string): boolean {
  return path.toLowerCase().endsWith('.npz');
}

/** @param spec `file.npy`, `file.npz#name`, or `file.npz` with `fallback` as the array's name */
async function readArray(spec: string, fallback: string): Promise<NumberArray> {
  const { path, array = fallback } = placeOf(spec);
  if (!isArchive(path)) {
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
