/** A recipe as a list of values by their paths, as trackers of experiments want it. Pure. */
import { parse } from 'yaml';

/**
 * Every value of a resolved recipe by its path, such as `optimizer.learningRate` or `teachers.0.name`; its digests, which
 * tell no one anything, are left out.
 *
 * @param text recipe.yaml
 */
export function flatRecipe(text: string): Map<string, number | string | boolean> {
  const found = new Map<string, number | string | boolean>();
  const visit = (value: unknown, path: string): void => {
    if (typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean') found.set(path, value);
    else if (typeof value === 'object' && value !== null)
      for (const [key, inner] of Object.entries(value)) {
        const inside = path === '' ? key : `${path}.${key}`;
        if (inside !== 'digests') visit(inner, inside);
      }
  };
  visit(parse(text), '');
  return found;
}
