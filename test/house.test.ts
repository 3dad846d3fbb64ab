/** The layout of the house, kept true: who may import whom, no circles, purity, one meaning a type name, sizes. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const fileLimit = 400;
const functionLimit = 60;

function sourcesIn(folder: string): string[] {
  return readdirSync(join(root, folder)).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(join(root, path)).isDirectory()) return name === 'assembly' ? [] : sourcesIn(path);
    return name.endsWith('.ts') ? [path] : [];
  });
}

const files = ['cli.ts', ...['cli', 'coordinator', 'worker', 'shared'].flatMap(sourcesIn)];
const texts = new Map(files.map((path) => [path, readFileSync(join(root, path), 'utf8')]));
const textOf = (path: string): string => texts.get(path) ?? '';

/** Relative imports of a file, static and dynamic, types included, as paths from the root. */
function importsOf(path: string): string[] {
  const found = [...textOf(path).matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map((match) => match[1] ?? '');
  return [...new Set(found)].map((name) =>
    relative(root, normalize(join(root, dirname(path), name))).replace(/\.js$/, '.ts'),
  );
}

type Graph = ReadonlyMap<string, readonly string[]>;
const graph: Graph = new Map(files.map((path) => [path, importsOf(path)]));

/** Imports from files under one path to files under another. */
function arrows(from: string, to: string): string[] {
  return files
    .filter((path) => path.startsWith(from))
    .flatMap((path) =>
      (graph.get(path) ?? []).filter((name) => name.startsWith(to)).map((name) => `${path} -> ${name}`),
    );
}

function circlesOf(edges: Graph): string[] {
  const state = new Map<string, 'open' | 'done'>();
  const found: string[] = [];
  const visit = (node: string, trail: readonly string[]): void => {
    if (state.get(node) === 'done') return;
    if (state.get(node) === 'open') {
      found.push([...trail.slice(trail.indexOf(node)), node].join(' -> '));
      return;
    }
    state.set(node, 'open');
    for (const next of edges.get(node) ?? []) visit(next, [...trail, node]);
    state.set(node, 'done');
  };
  for (const node of edges.keys()) visit(node, []);
  return found;
}

/** Pairs of folders of which each has a file that imports one of the other's. */
function mutualFolders(): string[] {
  const folders = new Map<string, Set<string>>();
  for (const [path, names] of graph) {
    const own = dirname(path);
    const reached = folders.get(own) ?? new Set<string>();
    for (const name of names) if (dirname(name) !== own) reached.add(dirname(name));
    folders.set(own, reached);
  }
  return [...folders]
    .flatMap(([one, reached]) =>
      [...reached]
        .filter((other) => one < other && folders.get(other)?.has(one) === true)
        .map((other) => `${one} <-> ${other}`),
    )
    .sort();
}

/** Names of types that more than one file exports, with the files. */
function homonyms(): string[] {
  const where = new Map<string, string[]>();
  for (const path of files) {
    for (const [, name = ''] of textOf(path).matchAll(/^export (?:abstract )?(?:interface|type|class) (\w+)/gm)) {
      where.set(name, [...(where.get(name) ?? []), path]);
    }
  }
  return [...where]
    .filter(([, paths]) => paths.length > 1)
    .map(([name, paths]) => `${name}: ${paths.join(', ')}`)
    .sort();
}

/** Functions longer than the limit, with their lines. */
function longFunctions(path: string): string[] {
  const source = ts.createSourceFile(path, textOf(path), ts.ScriptTarget.ES2022);
  const found: string[] = [];
  const visit = (node: ts.Node, owner: string): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined) {
      const first = source.getLineAndCharacterOfPosition(node.getStart(source)).line;
      const lines = source.getLineAndCharacterOfPosition(node.getEnd()).line - first + 1;
      const name = ts.isConstructorDeclaration(node) ? 'constructor' : (node.name?.getText(source) ?? owner);
      if (lines > functionLimit) found.push(`${path} ${name}`);
    }
    const inside = ts.isVariableDeclaration(node) || ts.isPropertyAssignment(node) ? node.name.getText(source) : owner;
    ts.forEachChild(node, (child) => visit(child, inside));
  };
  visit(source, 'a function');
  return found;
}

const codeOf = (path: string): string => textOf(path).replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
const headerOf = (path: string): string => /^(?:#!.*\n)?\/\*\*[\s\S]*?\*\//.exec(textOf(path))?.[0] ?? '';

/** What does not keep a rule yet. A line that is mended must go; none may come. */
const known = {
  homonyms: [],
  files: [],
  functions: [],
};

describe('the house', () => {
  it('has its folders at the top and few others', () => {
    const allowed = new Set([
      ...['package.json', 'package-lock.json', 'tsconfig.json', 'eslint.config.js'],
      ...['vitest.config.ts', 'vitest.containers.config.ts', 'vitest.examples.config.ts', 'README.md', 'LICENSE'],
      ...[
        'SECURITY.md',
        'CONTRIBUTING.md',
        'CHANGELOG.md',
        'cli.ts',
        'cli',
        'coordinator',
        'worker',
        'shared',
        'deploy',
        'test',
      ],
      ...['examples', 'bench', 'docs', 'node_modules', 'dist', 'runs'],
    ]);
    expect(readdirSync(root).filter((name) => !name.startsWith('.') && !allowed.has(name))).toEqual([]);
  });

  it('lets nobody but cli.ts import the command line', () => {
    expect(['coordinator/', 'worker/', 'shared/'].flatMap((folder) => arrows(folder, 'cli'))).toEqual([]);
    expect(arrows('cli/', 'cli.ts')).toEqual([]);
  });

  it('keeps coordinator and worker apart: only the command line knows both', () => {
    expect([...arrows('coordinator/', 'worker/'), ...arrows('worker/', 'coordinator/')]).toEqual([]);
  });

  it('lets shared import from shared alone', () => {
    expect([...arrows('shared/', 'coordinator/'), ...arrows('shared/', 'worker/')]).toEqual([]);
  });

  it('lets worker/compute know nothing of the rest of the worker', () => {
    const outside = arrows('worker/compute/', 'worker/').filter((arrow) => !arrow.includes('-> worker/compute/'));
    expect(outside).toEqual([]);
  });

  it('keeps files pure that say so, and the core of the coordinator', () => {
    const impure =
      /\b(Date\.now|performance\.now|Math\.random|setTimeout|setInterval|setImmediate|process\.|fetch\()|from 'node:(?!crypto|util|assert|buffer)/;
    const folders = ['coordinator/decide/', 'shared/losses/', 'shared/replica/reduction/', 'shared/replica/optimizer/'];
    const pure = files.filter(
      (path) => folders.some((folder) => path.startsWith(folder)) || /\bpure\b/i.test(headerOf(path)),
    );
    expect(pure.length).toBeGreaterThan(30);
    expect(pure.filter((path) => impure.test(codeOf(path)))).toEqual([]);
  });

  it('has no circles of imports', () => {
    expect(circlesOf(graph)).toEqual([]);
  });

  it('has no two folders that import each other', () => {
    expect(mutualFolders()).toEqual([]);
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

  it('exports no name of a type twice', () => {
    expect(homonyms()).toEqual(known.homonyms);
  });

  it('has no file over 400 lines', () => {
    expect(files.filter((path) => textOf(path).split('\n').length - 1 > fileLimit)).toEqual(known.files);
  });

  it('names its functions over 60 lines', () => {
    expect(files.flatMap(longFunctions)).toEqual(known.functions);
  });
});
