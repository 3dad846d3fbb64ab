/** Remote names as texts: what of them is secret, and which patterns they match. Pure. */
import { expressionOf, inBraces } from '../../../shared/data/name-patterns.js';
import { UserError } from '../../../shared/errors.js';

/** Words of a parameter's name that say that it is a signature or a key. */
const secretWord =
  /^(sign|signed|sas|\w*(token|secret|password|signature|sig)|pass(wd|phrase|code)?|pwd|cred(s|entials?)?|auth(orization)?|bearer|policy|session(id)?|md|hmac|jwt|code|(api|app|access|account|auth|client|master|private|secret|service|shared|subscription|user)?key(id)?)$/i;
/** How a JSON Web Token begins, whatever the parameter's name. */
const webToken = /^eyJ[\w-]+\.[\w-]+\./;
/** Parameters that change with every signature. */
const signingParts = /^(x-(amz|goog)-|expires$|s[prv]$|s[et]$|spr$|sip$|sk)/i;
const hidden = '***';

/** Whether a field of a query, such as `X-Amz-Signature=f00`, gives access. */
function isSecret(field: string): boolean {
  const [key = '', value = ''] = field.split(/=([\s\S]*)/).map(decoded);
  const words = key.replace(/([a-z0-9])([A-Z])/g, '$1 $2').split(/[^A-Za-z]+/);
  return words.some((word) => secretWord.test(word)) || webToken.test(value);
}

/** A user and a password at the beginning of an address; browsers and Node take more slashes, and spaces, before them. */
const userPart = /^([a-z0-9]+:)[\\/\s]*[^\\/?#]*@/i;

/** The address without what gives access: user and password, and the parameters of a signature. */
export function masked(address: string): string {
  const [place = '', query] = address.split(/\?([\s\S]*)/);
  const bare = place.replace(userPart, `$1//${hidden}@`);
  if (query === undefined || !/^https?:/i.test(address)) return query === undefined ? bare : `${bare}?${query}`;
  const [fields = '', fragment] = query.split(/#([\s\S]*)/);
  const isSigned = fields.split('&').some(isSecret);
  const shown = fields.split('&').map((field) => {
    const [key = ''] = field.split('=', 1);
    return isSecret(field) || (isSigned && signingParts.test(decoded(key))) ? `${key}=${hidden}` : field;
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
  const parsed = /^https?:/i.test(name) && URL.canParse(name) ? new URL(name) : null;
  const isNamed = parsed !== null && `${parsed.username}${parsed.password}` !== '';
  if (isNamed || /^[a-z0-9]+:\/\/[^/?#]*:[^/?#]*@/i.test(name) || /^https?:\/\/[^/?#]*@/i.test(name))
    throw new UserError(
      `${masked(name)}: a user or a password in the address; an address without them was wanted, and credentials in the environment`,
    );
}

/** The name without that of an array in an archive. */
export function bareOf(name: string): string {
  return name.replace(/(\.npz)#[^/]*$/i, '$1');
}

/** The name without the query and the fragment of an address. */
export function placeIn(name: string): string {
  return /^https?:/i.test(name) ? name.replace(/[?#][\s\S]*$/, '') : name;
}

/** The names that a name's braces stand for, those of its query aside. @throws UserError 2 as `inBraces` */
export function namesIn(name: string): string[] {
  const place = placeIn(name);
  return inBraces(place).map((one) => `${one}${name.slice(place.length)}`);
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
  const whole = expressionOf(pattern);
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
