/**
 * Where a wheel is fetched from. No index's address stands in this program: it is the user's mirror, or what pip is
 * configured with, asked of pip itself.
 */
import { exitCodes, UserError } from '../../../shared/errors.js';
import { runCommand } from '../../compute/backends/command.js';

export interface Source {
  /** Without user name and password. */
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
}

/** Takes user name and password out of an address, into a header. @throws UserError 2 when it is none */
export function parseSource(address: string): Source {
  if (!URL.canParse(address) || !/^https?:/.test(address))
    throw new UserError(
      `${address}: no http or https address; the base of a Python package index, or a wheel's address, was wanted`,
    );
  const url = new URL(address);
  if (url.username === '' && url.password === '') return { url, headers: {} };
  const secret = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  url.username = '';
  url.password = '';
  return { url, headers: { authorization: `Basic ${Buffer.from(secret).toString('base64')}` } };
}

/** An address as messages show it: a query may hold a signature. */
export function shown(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

/** The file's address: the given one if it names the wheel itself, else the one on the index's page of the package. */
export async function locate(base: Source, library: string, file: string): Promise<Source> {
  if (base.url.pathname.endsWith('.whl')) return base;
  const page = new URL(base.url);
  page.pathname = `${page.pathname.replace(/\/+$/, '')}/${library}/`;
  const { text, url } = await readPage({ ...base, url: page });
  const link = findLink(text, url, file);
  if (link === null)
    throw new UserError(
      `${shown(page)}: has no ${file}; a Python package index with it was wanted`,
      exitCodes.unavailable,
    );
  return { url: link, headers: link.origin === base.url.origin ? base.headers : {} };
}

async function readPage({ url, headers }: Source): Promise<{ text: string; url: URL }> {
  const accept = 'application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1';
  const response = await fetch(url, { headers: { ...headers, accept } }).catch((error: unknown) => {
    const reason =
      error instanceof Error ? (error.cause instanceof Error ? error.cause.message : error.message) : String(error);
    throw new UserError(
      `${shown(url)}: cannot be reached (${reason}); give --wheel FILE or --mirror URL`,
      exitCodes.unavailable,
      error,
    );
  });
  if (!response.ok)
    throw new UserError(
      `${shown(url)}: answers ${response.status}; the index's page of the package was wanted`,
      exitCodes.unavailable,
    );
  return { text: await response.text(), url: new URL(response.url) };
}

/** The link to `file` on a page of the simple repository API, as JSON (PEP 691) or HTML (PEP 503). */
export function findLink(text: string, page: URL, file: string): URL | null {
  const links = text.trimStart().startsWith('{')
    ? [...text.matchAll(/"url"\s*:\s*"([^"]+)"/g)]
    : [...text.matchAll(/<a\s[^>]*href\s*=\s*["']([^"']+)["']/gi)];
  for (const [, href = ''] of links) {
    const link = URL.canParse(href, page.href) ? new URL(href.replaceAll('&amp;', '&'), page) : null;
    if (link === null || decodeURIComponent(link.pathname.split('/').at(-1) ?? '') !== file) continue;
    link.hash = '';
    return link;
  }
  return null;
}

/** How pip is called here; null where there is none. */
export async function findPip(): Promise<readonly string[] | null> {
  for (const command of [['python3', '-m', 'pip'], ['pip3'], ['pip']]) {
    const [program = '', ...args] = command;
    if ((await runCommand(program, [...args, '--version'])).code === 0) return command;
  }
  return null;
}

/**
 * The base address of the index that pip would use: from its environment, its configuration, or its own default as its
 * help prints it. Null where pip does not tell.
 */
export async function askPip(
  pip: readonly string[] | null,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string | null> {
  if (env.PIP_INDEX_URL) return env.PIP_INDEX_URL;
  if (pip === null) return null;
  const [program = '', ...args] = pip;
  const configured = await runCommand(program, [...args, 'config', 'get', 'global.index-url']);
  if (configured.code === 0 && configured.stdout.trim() !== '') return configured.stdout.trim();
  const help = await runCommand(program, [...args, 'install', '--help'], { env: { ...env, COLUMNS: '1000' } });
  return parsePipHelp(help.stdout);
}

/** `--index-url <url> Base URL of the Python Package Index (default ADDRESS).` */
export function parsePipHelp(help: string): string | null {
  return /--index-url\s+<url>[\s\S]*?\(default\s+(https?:\/\/[^\s)]+)\)/.exec(help)?.[1] ?? null;
}
