/** NumPy's arrays: `file.npy`, or `set.npz#x` for the array x of an archive. */
import { arrayFiles, openArrays, type OpenArray } from './arrays.js';
import { openNpz, storedNpy } from './npy-array.js';
import { openRanged } from './ranged-bytes.js';
import type { SourceFormat } from './source.js';

export const npy: SourceFormat<'npy'> = {
  files: (recipe) =>
    Object.fromEntries(
      Object.entries(arrayFiles(recipe)).map(([key, name]) => [
        key,
        name === undefined ? undefined : placeOf(name).path,
      ]),
    ),
  open: (recipe, context) => openArrays(recipe, context, openArray),
};

/** The file of an array, and the array's name in it: behind the last `.npz#`, since paths may have a `#` as well. */
function placeOf(spec: string): { readonly path: string; readonly array?: string } {
  const at = spec.toLowerCase().lastIndexOf('.npz#');
  return at < 0 ? { path: spec } : { path: spec.slice(0, at + 4), array: spec.slice(at + 5) };
}

function isArchive(path: string): boolean {
  return path.toLowerCase().endsWith('.npz');
}

/** The array of `file.npy`, `file.npz#name`, or `file.npz` with `fallback` as the array's name. */
const openArray: OpenArray = async (spec, fallback, spool) => {
  const { path, array = fallback } = placeOf(spec);
  if (!isArchive(path)) return storedNpy(path, await openRanged(path, spool));
  const archive = await openNpz(path);
  try {
    return await archive.store(array, spec, spool);
  } finally {
    archive.close();
  }
};
