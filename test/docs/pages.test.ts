/** What README and docs name exists: files, links, commands with their flags, scripts, benchmarks, keys of recipes. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';
import { jsonSchema } from '../../shared/recipe/json-schema.js';
import type { JsonSchema } from './recipe-reference.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const markdownIn = (folder: string): string[] =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name));
const pages = [...markdownIn('.'), ...markdownIn('docs'), 'deploy/README.md'];

interface Code {
  readonly page: string;
  readonly language: string;
  readonly text: string;
}

/** Fenced blocks and code spans of a page. */
function codeOf(page: string): Code[] {
  const text = read(page);
  const fence = /^```(\w*)\n([\s\S]*?)^```$/gm;
  const blocks = [...text.matchAll(fence)].map(([, language = '', block = '']) => ({ page, language, text: block }));
  const spans = [...text.replaceAll(fence, '').matchAll(/`([^`\n]+)`/g)];
  return [...blocks, ...spans.map(([, span = '']) => ({ page, language: 'span', text: span.replaceAll('\\|', '|') }))];
}

const code = pages.flatMap(codeOf);
const schema = jsonSchema() as JsonSchema;

const helps = new Map<string, string>();
/** A command whose flags are those of the command below it. */
const below: Readonly<Record<string, string>> = { backend: 'install' };
/** What a command says with --help. */
function helpOf(verb: string): string {
  const known = helps.get(verb);
  if (known !== undefined) return known;
  const words = [verb, below[verb] ?? ''].filter((word) => word !== '');
  const command = [...words, '--help'];
  const text = execFileSync(process.execPath, [join(root, 'dist/cli.js'), ...command], { encoding: 'utf8' });
  helps.set(verb, text);
  return text;
}
const verbs = (): string[] => [...helpOf('').matchAll(/^ {2}([a-z]+)/gm)].map(([, verb = '']) => verb);

/** Calls of the program in code: the verb, and all that follows on its line. */
function callsIn({ page, language, text }: Code): { page: string; verb: string; rest: string }[] {
  const pattern = /(?:\bstillhouse|dist\/cli\.js) ([a-z]+)([^\n#|]*)/g;
  const calls = [...text.matchAll(pattern)].map(([, verb = '', rest = '']) => ({ page, verb, rest }));
  const [, verb = '', rest = ''] = /^([a-z]+) ((?:[A-Z]|--|\[).*)$/.exec(language === 'span' ? text : '') ?? [];
  return verb !== '' && verbs().includes(verb) ? [...calls, { page, verb, rest }] : calls;
}

/** The schemas that a key of a value may have, through every choice between objects. */
function inner(choices: readonly JsonSchema[], key: string): JsonSchema[] {
  return choices.flatMap((choice) => {
    const own = choice.properties?.[key];
    const more = typeof choice.additionalProperties === 'object' ? [choice.additionalProperties] : [];
    const items = choice.items === undefined ? [] : [choice.items];
    return [
      ...(own === undefined ? more : [own]),
      ...inner([...(choice.anyOf ?? []), ...(choice.oneOf ?? []), ...items], key),
    ];
  });
}

/** Keys of a piece of a recipe that the schema does not know. */
function unknownKeys(value: unknown, choices: readonly JsonSchema[], path = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => unknownKeys(item, choices, path));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, child]) => {
    const found = inner(choices, key);
    if (found.length === 0) return [`${path}${key}`];
    return found.some((one) => one.type === 'object' && one.properties === undefined)
      ? []
      : unknownKeys(child, found, `${path}${key}.`);
  });
}

const sections = Object.keys(schema.properties ?? {});

/** What a command on the page makes. */
const made = new Set(['deploy/compose/token', 'deploy/monitoring/token']);

describe('README and docs', () => {
  it('name files that exist', () => {
    const path = /(?<![\w/.-])((?:cli|coordinator|worker|shared|test|bench|docs|deploy|examples|dist)\/[\w./-]*[\w/])/g;
    const missing = code
      .filter(({ text }) => !text.includes('*'))
      .flatMap(({ page, text }) => [...text.matchAll(path)].map(([, name = '']) => ({ page, name })))
      .map(({ page, name }) => ({ page, name, source: name.replace(/^dist\/(.*)\.js$/, '$1.ts') }))
      .filter(({ source }) => !made.has(source) && !existsSync(join(root, source)));
    expect(missing).toEqual([]);
  });

  it('link to pages that exist', () => {
    const links = pages.flatMap((page) =>
      [...read(page).matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)].map(([, to = '']) => ({ page, to })),
    );
    expect(links.length).toBeGreaterThan(20);
    expect(links.filter(({ page, to }) => !existsSync(join(root, dirname(page), to)))).toEqual([]);
  });

  it('name commands that exist, with flags that they take', () => {
    const calls = code.flatMap(callsIn);
    expect(calls.length).toBeGreaterThan(20);
    expect(calls.filter(({ verb }) => !verbs().includes(verb))).toEqual([]);
    const wrong = calls.flatMap(({ page, verb, rest }) =>
      [...rest.matchAll(/(?<![\w-])--[a-z-]+/g)]
        .map(([flag]) => ({ page, verb, flag }))
        .filter(
          ({ flag }) => flag !== '--help' && !helpOf(verb).includes(`${flag} `) && !helpOf(verb).includes(`${flag}\n`),
        ),
    );
    expect(wrong).toEqual([]);
  });

  it('name scripts and benchmarks that exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = code.flatMap(({ page, text }) =>
      [...text.matchAll(/\bnpm (?:run )?(?:-s )?([a-z:]+)(?: -- ([a-z-]+))?/g)].map(([, script = '', bench]) => ({
        page,
        script,
        bench,
      })),
    );
    const own = new Set(['ci', 'install', 'i', 'pack', 'view', 'update']);
    expect(named.filter(({ script }) => !own.has(script) && scripts[script] === undefined)).toEqual([]);
    const benches = named.filter(({ script, bench }) => script === 'bench' && bench !== undefined);
    expect(benches.filter(({ bench }) => !existsSync(join(root, 'bench', `${bench}.ts`)))).toEqual([]);
  });

  it('show recipes with keys that exist', () => {
    const recipes = code
      .filter(({ language }) => language === 'yaml')
      .map(({ page, text }) => ({ page, value: parse(text) as unknown }));
    expect(recipes.length).toBeGreaterThan(5);
    const isPiece = (value: unknown): value is object =>
      typeof value === 'object' && value !== null && Object.keys(value).some((key) => sections.includes(key));
    const whole = recipes.filter(({ value }) => isPiece(value));
    expect(whole.length).toBeGreaterThan(4);
    expect(whole.flatMap(({ page, value }) => unknownKeys(value, [schema]).map((key) => `${page}: ${key}`))).toEqual(
      [],
    );
  });

  it('name keys of a recipe that exist', () => {
    const dotted = new RegExp(`^(?:${sections.join('|')})(?:\\[\\])?(?:\\.[A-Za-z]+(?:\\[\\])?)+$`);
    const named = code
      .filter(({ language, text }) => language === 'span' && dotted.test(text))
      .map(({ page, text }) => ({ page, text }));
    expect(named.length).toBeGreaterThan(50);
    const isKnown = (text: string): boolean =>
      text
        .replaceAll('[]', '')
        .split('.')
        .reduce<readonly JsonSchema[]>((choices, key) => inner(choices, key), [schema]).length > 0;
    expect(named.filter(({ text }) => !isKnown(text))).toEqual([]);
  });
});

describe('README', () => {
  const readme = read('README.md');

  it('has at most 150 lines', () => {
    expect(readme.split('\n').length - 1).toBeLessThanOrEqual(150);
  });

  it('has the two command lines that a fresh machine needs, which CI reads from here', () => {
    expect(readme.match(/^npm ci && npm \w+$/gm)).toEqual(['npm ci && npm start', 'npm ci && npm test']);
  });

  it('shows the table that the example ends with', () => {
    expect(readme).toContain('| `cli.ts`, `cli/` |');
    expect(readme.match(/^ {2}(?:student|teacher|ensemble).*\d\d\.\d\d %$/gm)).toHaveLength(6);
  });
});
