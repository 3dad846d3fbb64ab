/** Who may come in: tokens, with what each allows and until when, as a token file or STILLHOUSE_TOKEN gives them. */
import { counted } from '../counted.js';
import { UserError } from '../errors.js';

export const roles = ['worker', 'label', 'viewer', 'admin'] as const;
/**
 * What a token allows. `worker`: all that a worker does; `label`: to fetch data and teachers, and to bring labels;
 * `viewer`: to read how the run stands; `admin`: that, to have workers leave, and to stop it.
 */
export type Role = (typeof roles)[number];

/** A token with what it allows. */
export interface Credential {
  readonly token: string;
  readonly role: Role;
  /** Milliseconds since 1970 from which it is no good any more; null: never. */
  readonly untilMs: number | null;
}

/** Gives the tokens that are good now; a file of them may change in the middle of a run. */
export type CredentialSource = () => readonly Credential[];

/** A worker's token alone, which does not end. */
export function oneToken(token: string): CredentialSource {
  const credentials: readonly Credential[] = [{ token, role: 'worker', untilMs: null }];
  return () => credentials;
}

/** A token that allows everything and does not end: for the user whose coordinator it is. */
export function ownerToken(token: string): CredentialSource {
  const credentials: readonly Credential[] = roles.map((role) => ({ token, role, untilMs: null }));
  return () => credentials;
}

/** Characters of the shortest token that is taken: 32 random bytes in base64, without padding. */
export const tokenLength = 43;

/**
 * Reads tokens, one a line: the token, then its role as `role=label` (default worker) and `until=DATE` (ISO 8601,
 * default never), separated by spaces. Lines that are empty or begin with # say nothing. Two lines let a new token and
 * an old one in at a time.
 *
 * @param source what the text comes from, for messages, which never hold a token
 * @param least characters that a token has at least; a worker brings what it was given, and is told by the coordinator
 * @throws UserError 2 for a text without a token, or with one that is too short or has characters that no header carries
 */
export function readCredentials(
  text: string,
  source: string,
  least = tokenLength,
): readonly [Credential, ...Credential[]] {
  const lines = text.split(/\r?\n/).map((line, i) => ({ line: line.trim(), place: `${source}, line ${i + 1}` }));
  const [first, ...others] = lines
    .filter(({ line }) => line !== '' && !line.startsWith('#'))
    .map(({ line, place }) => credentialOf(line, place, least));
  if (first === undefined)
    throw new UserError(`${source}: holds no token; one of at least ${tokenLength} characters wanted (${advice})`);
  return [first, ...others];
}

const advice = 'stillhouse token makes one';

function credentialOf(line: string, place: string, least: number): Credential {
  const [token = '', ...more] = line.split(/\s+/);
  if (!/^[\x21-\x7e]+$/.test(token))
    throw new UserError(`${place}: the token has characters that no header carries; ASCII wanted (${advice})`);
  if (token.length < least)
    throw new UserError(
      `${place}: the token has ${counted(token.length, 'character')}; at least ${least} wanted, which are 32 random bytes in base64 (${advice})`,
    );
  let [role, untilMs]: [Role, number | null] = ['worker', null];
  for (const pair of more) {
    const [key, value = ''] = pair.split(/=(.*)/s);
    if (key === 'role') role = roleOf(value, place);
    else if (key === 'until') untilMs = dateOf(value, place);
    else throw new UserError(`${place}: ${key ?? pair} behind the token; role=${roles.join('|')} or until=DATE wanted`);
  }
  return { token, role, untilMs };
}

function roleOf(value: string, place: string): Role {
  const found = roles.find((role) => role === value);
  if (found === undefined) throw new UserError(`${place}: role=${value} given; ${roles.join(' or ')} wanted`);
  return found;
}

function dateOf(value: string, place: string): number {
  const ms = /^\d{4}-\d\d-\d\d/.test(value) ? Date.parse(value) : Number.NaN;
  if (!Number.isNaN(ms)) return ms;
  throw new UserError(`${place}: until=${value} given; a date such as 2030-01-31 or 2030-01-31T12:00Z wanted`);
}
