/**
 * Finds a wheel on a Python package index. No index's address stands in this program: it is the user's mirror, or what
 * pip is configured with.
 */
import { exitCodes, UserError } from '../../../shared/errors.js';
import { reasonOf, shown, type WebAddress } from './web-address.js';

/**
 * The wheel's address: `base` if it names a wheel itself, else the one on the index's page of the package.
 * @param library name of the package
 * @param file name of the wheel
 * @throws UserError 69 when the index cannot be reached or does not have the wheel, 2 for the address of another wheel
 */
export async function locate(base: WebAddress, library: string, file: string): Promise<WebAddress> {
  if (base.url.pathname.endsWith('.whl')) {
    if (nameIn(base.url) === file) return base;
    throw new UserError(
      `${shown(base.url)}: is one wheel, and ${file} is needed; a Python package index with it was wanted`,
      exitCodes.usage,
    );
  }
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

async function readPage({ url, headers }: WebAddress): Promise<{ text: string; url: URL }> {
  const accept = 'application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1';
  const response = await fetch(url, { headers: { ...headers, accept } }).catch((error: unknown) => {
    throw new UserError(
      `${shown(url)}: cannot be reached (${reasonOf(error)}); give --wheel FILE or --mirror URL`,
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

/**
 * The link to `file` on a page of the simple repository API, as JSON (PEP 691) or HTML (PEP 503); null where the page has
 * none.
 */
export function findLink(text: string, page: URL, file: string): URL | null {
  const links = text.trimStart().startsWith('{')
    ? [...text.matchAll(/"url"\s*:\s*"([^"]+)"/g)]
    : [...text.matchAll(/<a\s[^>]*href\s*=\s*["']([^"']+)["']/gi)];
  for (const [, href = ''] of links) {
    const link = URL.canParse(href, page.href) ? new URL(href.replaceAll('&amp;', '&'), page) : null;
    if (link === null || nameIn(link) !== file) continue;
    link.hash = '';
    return link;
  }
  return null;
}

function nameIn({ pathname }: URL): string {
  return decodeURIComponent(pathname.split('/').at(-1) ?? '');
}
