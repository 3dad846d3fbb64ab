/** What the remote names of a recipe say beside the names: signatures, which are hidden, and what must come. */
import type { Recipe } from '../../shared/recipe/schema.js';
import { UserError } from '../../shared/errors.js';
import { bareOf, placeIn } from './remote/addresses.js';
import { isRemote } from './remote/list.js';
import type { RemoteFiles } from './remote/remote-files.js';

/**
 * The recipe with masked signatures, which stay in `remote` alone, and with its digests of remote files pinned there.
 * @throws UserError 2 for an address with a user or a password, and for a digest of what the recipe does not name
 */
export function hideSecrets<R extends Pick<Recipe, 'data'>>(recipe: R, remote: RemoteFiles): R {
  const hidden = mapTexts(recipe, (text) => remote.hide(text)) as R;
  expectNamed(hidden);
  const pins = Object.entries(hidden.data.sha256 ?? {}).map(([name, sha256]) => [name, { sha256 }] as const);
  remote.pin('recipe', new Map(pins));
  return hidden;
}

/** What is pinned must be read: a digest under another name would protect nothing. */
function expectNamed(recipe: Pick<Recipe, 'data'>): void {
  const { sha256 = {}, ...data } = recipe.data;
  const names = new Set<string>();
  mapTexts({ ...recipe, data }, (text) => (isRemote(text) && names.add(bareOf(text)), text));
  // Models have their weights in files beside them.
  const folders: string[] = [];
  mapTexts({ ...recipe, data: null }, (text) => {
    if (isRemote(text)) folders.push(placeIn(text).replace(/[^/]*$/, ''));
    return text;
  });
  const other = Object.keys(sha256).find(
    (key) => !isRemote(key) || (!names.has(bareOf(key)) && !folders.some((folder) => key.startsWith(folder))),
  );
  if (other === undefined) return;
  throw new UserError(`data.sha256: ${other} given; the name of a remote file, as this recipe has it, was wanted`);
}

/** The same value with every text in it, keys included, made another. */
function mapTexts(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return value.map((item) => mapTexts(item, change));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [change(key), mapTexts(item, change)]));
}
