/** The layout of the house, kept true: who may import whom, and no cycles. Sizes are reported, not judged. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

function sources(folder: string): string[] {
  return readdirSync(join(root, folder)).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(join(root, path)).isDirectory()) return name === 'assembly' ? [] : sources(path);
    return name.endsWith('.ts') ? [path] : [];
  });
}

/** Relative imports of a file, static and dynamic, types included, as paths from the root. */
function importsOf(path: string): string[] {
  const text = readFileSync(join(root, path), 'utf8');
  const found = [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map((match) => match[1] ?? '');
  return found.map((name) => relative(root, normalize(join(root, dirname(path), name))).replace(/\.js$/, '.ts'));
}

const files = ['cli', 'coordinator', 'worker', 'shared'].flatMap(sources);
const graph = new Map([...files, 'cli.ts'].map((path) => [path, importsOf(path)]));
const room = (path: string): string => path.split('/')[0] ?? '';

function edges(from: string, to: string): string[] {
  return files
    .filter((path) => room(path) === from)
    .flatMap((path) => (graph.get(path) ?? []).filter((name) => room(name) === to).map((name) => `${path} -> ${name}`));
}

function cycles(): string[] {
  const state = new Map<string, 'open' | 'done'>();
  const found: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === 'done') return;
    if (state.get(path) === 'open') {
      found.push([...trail.slice(trail.indexOf(path)), path].join(' -> '));
      return;
    }
    state.set(path, 'open');
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
    state.set(path, 'done');
  };
  for (const path of graph.keys()) visit(path, []);
  return found;
}

describe('the house', () => {
  it('has its rooms at the top and few others', () => {
    const allowed = new Set([
      'package.json',
      'package-lock.json',
      'tsconfig.json',
      'tsconfig.build.json',
      'cli.ts',
      'cli',
      'coordinator',
      'worker',
      'shared',
      'deploy',
      'test',
      'examples',
      'bench',
      'README.md',
      'LICENSE',
      'SECURITY.md',
      'docs',
      'node_modules',
      'dist',
      'runs',
      'vitest.config.ts',
      'eslint.config.js',
      'vitest.containers.config.ts',
    ]);
    expect(readdirSync(root).filter((name) => !name.startsWith('.') && !allowed.has(name))).toEqual([]);
  });

  it('lets nobody import the command line', () => {
    expect(['coordinator', 'worker', 'shared'].flatMap((folder) => edges(folder, 'cli'))).toEqual([]);
  });

  it('keeps coordinator and worker apart: only the command line knows both', () => {
    expect([...edges('coordinator', 'worker'), ...edges('worker', 'coordinator')]).toEqual([]);
  });

  it('lets shared import from shared alone', () => {
    expect([...edges('shared', 'coordinator'), ...edges('shared', 'worker')]).toEqual([]);
  });

  it('keeps the core of the coordinator pure', () => {
    const impure = /\b(Date\.now|performance\.now|Math\.random|setTimeout|setInterval|process\.)|from 'node:/;
    const pure = files.filter((path) =>
      ['coordinator/decide/', 'shared/replica/reduction/', 'shared/replica/optimizer/'].some((folder) =>
        path.startsWith(folder),
      ),
    );
    expect(pure.length).toBeGreaterThan(5);
    const code = (path: string): string =>
      readFileSync(join(root, path), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
    expect(pure.filter((path) => impure.test(code(path)))).toEqual([]);
  });

  it('has no import cycles', () => {
    expect(cycles()).toEqual([]);
  });

  it('has no barrel files', () => {
    expect(files.filter((path) => path.endsWith('/index.ts'))).toEqual([]);
  });

  it('imports files that exist', () => {
    const known = new Set(graph.keys());
    const missing = [...graph].flatMap(([path, names]) =>
      names.filter((name) => name.endsWith('.ts') && !known.has(name)).map((name) => `${path} -> ${name}`),
    );
    expect(missing).toEqual([]);
  });
});
