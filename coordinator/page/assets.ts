/**
 * The page's own files, which say nothing of a run and so need no token: the document, its style, its program, and the
 * chart library, which comes from its package. Paths come from the list alone. The policy that goes with them lets the
 * browser load and reach nothing else, and no page elsewhere may frame or embed them.
 */
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
// What runs in the browser is compiled; the sources, which tests run, lie beside dist.
const here = import.meta.url.endsWith('.ts') ? '../../dist/coordinator/page/browser/' : './browser/';
const own = (name: string): string => fileURLToPath(new URL(`${here}${name}`, import.meta.url));

interface Asset {
  readonly type: string;
  readonly path: () => string;
}

const types = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
} as const;

const assets: Readonly<Record<string, Asset>> = {
  '/': { type: types.html, path: () => own('index.html') },
  '/page/page.css': { type: types.css, path: () => own('page.css') },
  '/page/icon.svg': { type: types.svg, path: () => own('icon.svg') },
  '/page/main.js': { type: types.js, path: () => own('main.js') },
  '/page/uplot.js': { type: types.js, path: () => require.resolve('uplot/dist/uPlot.iife.min.js') },
  '/page/uplot.css': { type: types.css, path: () => require.resolve('uplot/dist/uPlot.min.css') },
};

/** Scripts, styles and requests of this origin alone; no markup from text, no frames, no forms that leave the page. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const headers = {
  'content-security-policy': policy,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'cache-control': 'no-cache',
};

/** What was read, by its path. */
const contents = new Map<string, Buffer>();

/** Answers with the file of this path. @returns false where the page has none */
export async function serveAsset({ url = '', method }: IncomingMessage, response: ServerResponse): Promise<boolean> {
  const asset = Object.hasOwn(assets, url) ? assets[url] : undefined;
  if (asset === undefined) return false;
  const bytes = contents.get(url) ?? (await readFile(asset.path()));
  contents.set(url, bytes);
  response.writeHead(200, { ...headers, 'content-type': asset.type, 'content-length': bytes.length });
  response.end(method === 'HEAD' ? undefined : bytes);
  return true;
}
