/** Remote names as texts: what of them is secret, and which patterns they match. Pure. */
import { UserError } from '../../../shared/errors.js';

/** Parameters of a query that are a signature or a key, by what is in their names. */
const secretParts = /sig|token|secret|pass|cred|auth|policy|key/i;
/** Parameters that change with every signature. */
const signingParts = /^(x-(amz|goog)-|expires$|s[prv]$|s[et]$|spr$|sip$|sk)/i;
const hidden = '***';

/** The address without what gives access: user and password, and the parameters of a signature. */
export function masked(address: string): string {
  if (!URL.canParse(address)) return address.replace(/\/\/[^/@]*@/, `//${hidden}@`);
  const [place = '', query] = address.split(/\?([\s\S]*)/);
  const bare = place.replace(/^([a-z0-9]+:\/\/)[^/@]*@/i, `$1${hidden}@`);
  if (query === undefined || !/^https?:/i.test(address)) return query === undefined ? bare : `${bare}?${query}`;
  const [fields = '', fragment] = query.split(/#([\s\S]*)/);
  const keys = fields.split('&').map((field) => field.split('=', 1)[0] ?? '');
  const isSigned = keys.some((key) => secretParts.test(decoded(key)));
  const shown = fields.split('&').map((field, i) => {
    const key = keys[i] ?? '';
    const isSecret = secretParts.test(decoded(key)) || (isSigned && signingParts.test(decoded(key)));
    return isSecret ? `${key}=${hidden}` : field;
  });
  return `${bare}?${shown.join('&')}${fragment === undefined ? '' : `#${fragment}`}`;
}

/** The same for every address in a text. */
export function maskedText(text: string): string {
  return text.replace(/\b(?:https?|s3|hf):\/\/[^\s"'<>]+/gi, (address) => masked(address));
}

/** Whether an address shows that something of it was masked. */
export function isMasked(address: string): boolean {
  return /=\*\*\*(&|#|$)/.test(address);
}

/** @throws UserError 2 for an address with a user and a password, which are not shown */
export function refuseUser(name: string): void {
  if (/^[a-z0-9]+:\/\/[^/?#]*:[^/?#]*@/i.test(name) || /^https?:\/\/[^/?#]*@/i.test(name))
    throw new UserError(
      `${masked(name)}: a user or a password in the address; an address without them was wanted, and credentials in the environment`,
    );
}

/** The name without that of an array in an archive. */
export function bareOf(name: string): string {
  return name.replace(/(\.npz)#[^/]*$/i, '$1');
}

/** Whether a path has letters that stand for others: `*`, `?` and `[...]`. */
export function isPattern(path: string): boolean {
  return /[*?[]/.test(path);
}

/** Cuts a pattern behind the last `/` before its first special letter. */
export function cutPattern(path: string): { readonly folder: string; readonly pattern: string } {
  const first = path.search(/[*?[]/);
  const cut = path.lastIndexOf('/', first) + 1;
  return { folder: path.slice(0, cut), pattern: path.slice(cut) };
}

/** Tells which paths match: as among local files, `**` stands for folders, and hidden names match nothing. */
export function matcherOf(pattern: string): (path: string) => boolean {
  const written = pattern.replace(/\*\*\/|\[[^\]]*\]|[\s\S]/g, (piece) => {
    if (piece === '**/') return '(?:[^/]+/)*';
    if (piece.length > 1) return piece.replace(/^\[!/, '[^').replaceAll('\\', '\\\\');
    return piece === '*' ? '[^/]*' : piece === '?' ? '[^/]' : piece.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&');
  });
  const whole = new RegExp(`^${written}$`);
  return (path) => whole.test(path) && path.split('/').every((part) => !part.startsWith('.'));
}

/** A path as part of an address: everything but letters, digits, `-._~` and `/` is escaped. */
export function escapedPath(path: string): string {
  return path
    .split('/')
    .map((part) =>
      encodeURIComponent(part).replace(/[!'()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`),
    )
    .join('/');
}

/** The first setting that is there and not empty. */
export function given(...settings: readonly (string | undefined)[]): string | undefined {
  return settings.find((setting) => setting !== undefined && setting !== '');
}

/** A text with its escapes taken back, where it can be. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
