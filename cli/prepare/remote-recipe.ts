/** What the remote names of a recipe say beside the names: signatures, which are hidden, and what must come. */
import type { Recipe } from '../../shared/recipe/schema.js';
import type { RemoteFiles } from './remote/remote-files.js';

/**
 * The recipe with masked signatures, which stay in `remote` alone, and with its digests of remote files pinned there.
 * @throws UserError 2 for an address with a user or a password
 */
export function hideSecrets<R extends Pick<Recipe, 'data'>>(recipe: R, remote: RemoteFiles): R {
  const hidden = mapTexts(recipe, (text) => remote.hide(text)) as R;
  const pins = Object.entries(hidden.data.sha256 ?? {}).map(([name, sha256]) => [name, { sha256 }] as const);
  remote.pin('recipe', new Map(pins));
  return hidden;
}

/** The same value with every text in it, keys included, made another. */
function mapTexts(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return value.map((item) => mapTexts(item, change));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [change(key), mapTexts(item, change)]));
}
