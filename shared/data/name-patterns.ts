/** What patterns of names stand for: braces for lists of names, `*`, `?` and `[...]` for letters. Pure. */
import { exitCodes, UserError } from '../errors.js';

/** The most names that the braces of one pattern may stand for. */
const mostNames = 1_000_000;

/**
 * The names that a pattern's braces stand for: `{000000..000146}` for whole numbers with as many digits, `{a,b}` for texts.
 * @throws UserError 2 for braces that stand for too many, or count down
 */
export function inBraces(pattern: string): string[] {
  const [whole, before = '', inside = '', after = ''] = /^(.*?)\{([^{}]*(?:\.\.|,)[^{}]*)\}(.*)$/s.exec(pattern) ?? [];
  if (whole === undefined) return [pattern];
  const range = /^(\d+)\.\.(\d+)$/.exec(inside);
  const [first, last] = [Number(range?.[1]), Number(range?.[2])];
  if (last < first) throw new UserError(`${pattern}: braces from ${first} down to ${last}; from the lesser wanted`);
  if (last - first >= mostNames)
    throw new UserError(`${pattern}: braces of more than ${mostNames} names; fewer wanted`);
  const digits = range?.[1]?.length ?? 0;
  const middles =
    range === null
      ? inside.split(',')
      : Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => String(first + i).padStart(digits, '0'));
  const rest = inBraces(after);
  if (middles.length * rest.length > mostNames)
    throw new UserError(`${pattern}: braces of more than ${mostNames} names; fewer wanted`);
  return middles.flatMap((middle) => rest.map((end) => `${before}${middle}${end}`));
}

/**
 * The expression that the names match which a pattern stands for: `*` and `?` stand for letters but `/`, `[...]` for one
 * of a set, and a part that is `**` for any folders.
 * @throws UserError 2 for a set that counts down
 */
export function expressionOf(pattern: string): RegExp {
  const written = pattern.replace(/\*\*\/|\[[^\]]*\]|[\s\S]/g, (piece) => {
    if (piece === '**/') return '(?:[^/]+/)*';
    if (piece.length > 1) return piece.replace(/^\[!/, '[^').replaceAll('\\', '\\\\');
    return piece === '*' ? '[^/]*' : piece === '?' ? '[^/]' : piece.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&');
  });
  try {
    return new RegExp(`^${written}$`);
  } catch (error) {
    throw new UserError(`${pattern}: letters in [...] that count down; from the lesser wanted`, exitCodes.usage, error);
  }
}
