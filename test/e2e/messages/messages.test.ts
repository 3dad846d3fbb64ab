/**
 * Every message that a first-time user meets: one line that names the thing and says what was wanted, the exit code for
 * it, and no stack. The verbs run in this process, since a start of the program costs most of a second.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { wrongData } from './data-cases.js';
import { stillhouse, type Said } from './in-process.js';
import { wrongModels } from './models-cases.js';
import { furnish } from './place.js';
import { wrongRecipes } from './recipes-cases.js';
import { wrongVerbs } from './verbs-cases.js';

const folder = mkdtempSync(join(tmpdir(), 'stillhouse-messages-'));
const server = createServer((socket) => socket.destroy());
const before = { place: process.cwd(), cache: process.env.STILLHOUSE_CACHE, token: process.env.STILLHOUSE_TOKEN };

beforeAll(async () => {
  await furnish(folder);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  process.chdir(folder);
  process.env.STILLHOUSE_CACHE = join(folder, 'cache');
  delete process.env.STILLHOUSE_TOKEN;
});

afterAll(() => {
  process.chdir(before.place);
  server.close();
  for (const [name, value] of [
    ['STILLHOUSE_CACHE', before.cache],
    ['STILLHOUSE_TOKEN', before.token],
  ] as const) {
    if (value === undefined) Reflect.deleteProperty(process.env, name);
    else process.env[name] = value;
  }
  rmSync(folder, { recursive: true, force: true });
});

/** The exit code, what must be named, the command line. */
type Case = readonly [code: number, thing: string, line: string];

function casesIn(text: string): Case[] {
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const [code = '', thing = '', ...rest] = line.split(' | ');
    return [Number(code), thing, rest.join(' | ')];
  });
}

/** Words of a line, of which those in single quotes are one. */
function argumentsOf(line: string): string[] {
  const port = String((server.address() as AddressInfo).port);
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) =>
    (quoted ?? plain ?? '').replace('PORT', port),
  );
}

/** Lines that begin an error: ours, or commander's. */
const error = /^(?:stillhouse|error): /;
/** What commander adds to its own: what was meant, and where to look. */
const added = /^\((?:Did you mean .*|stillhouse --help lists the verbs)\)$/;
/** A wish in words, or numbers that do not fit each other. */
const wish =
  /wanted|want(?:s|ed)? it|did you mean|Allowed choices are|missing|not specified|unknown (?:command|option)|too many arguments|cannot be used with|choose another|the data has|the data's samples are|its images would be|it has "|nearest: |keeps weights in it|no place|end it first|labels go from|must be|not allowed|was demanded|is needed|is damaged|is not one of/;

async function meet([code, thing, line]: Case): Promise<void> {
  const said: Said = await stillhouse(argumentsOf(line));
  expect(said.stderr).not.toMatch(/^\s+at /m);
  expect(said.code, said.stderr).toBe(code);
  expect(said.stderr).toContain(thing);
  const lines = said.stderr.trimEnd().split('\n');
  if (code === 0) {
    expect(lines.filter((one) => one.startsWith('warning: '))).toHaveLength(1);
    return;
  }
  const from = lines.findIndex((one) => error.test(one));
  expect(from, said.stderr).toBeGreaterThanOrEqual(0);
  const told = lines.slice(from).filter((one) => !added.test(one));
  // A recipe may have several faults, of which each has its line and its wish.
  for (const one of told) expect(one).toMatch(wish);
  expect(
    told.slice(1).every((one) => /^[\w./-]+:\d+: /.test(one)),
    said.stderr,
  ).toBe(true);
}

describe.each([
  ['a recipe, or how it is run', wrongRecipes],
  ['data', wrongData],
  ['a model', wrongModels],
  ['another verb', wrongVerbs],
])('where something is wrong with %s, one line says what is wanted', (_name, text) => {
  it.each(casesIn(text).map((one) => [one[2], one] as const))('%s', async (_line, one) => {
    await meet(one);
  });
});
