/**
 * The address of a model on a server that speaks the Open Inference Protocol, version 2 (KServe): BASE/v2/models/NAME, or
 * that with /versions/VERSION. What is sent there are samples, so it is encrypted unless it stays on this machine or
 * the recipe says otherwise. Pure.
 */

export interface ModelAddress {
  /** The server's address up to `/v2`, without a slash at its end. */
  readonly base: string;
  readonly model: string;
  /** The version that is wanted; null: the address names none. */
  readonly version: string | null;
  /** Whether what is sent there can be read by nobody else: over TLS, or within this machine. */
  readonly isPrivate: boolean;
}

/** The parts of an address. @returns in words what was wanted, for one that is none */
export function modelAddressOf(url: string): ModelAddress | string {
  if (!URL.canParse(url)) return 'no address; https://HOST/v2/models/NAME wanted';
  const parsed = new URL(url);
  const { protocol, hostname, username, password, search, hash, pathname, origin } = parsed;
  if (protocol !== 'https:' && protocol !== 'http:') return 'https:// wanted, or http:// on this machine';
  if (username !== '' || password !== '') return 'a user or password in it; STILLHOUSE_TEACHER_TOKENS wanted instead';
  if (search !== '' || hash !== '') return 'nothing behind the model wanted (no ? and no #)';
  const [, before = '', model, version] = /^(.*)\/v2\/models\/([^/]+)(?:\/versions\/([^/]+))?\/?$/.exec(pathname) ?? [];
  if (model === undefined) return 'https://HOST/v2/models/NAME wanted, or that with /versions/VERSION';
  const isPrivate = protocol === 'https:' || isLoopback(hostname);
  try {
    return {
      base: `${origin}${before}`,
      model: decodeURIComponent(model),
      version: version === undefined ? null : decodeURIComponent(version),
      isPrivate,
    };
  } catch {
    return 'a % that begins no escape of UTF-8; %25 wanted for it';
  }
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}
