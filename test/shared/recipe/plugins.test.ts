import { mkdirSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../../shared/errors.js';
import { installedPlugins, pluginDigests } from '../../../shared/recipe/plugins.js';
import { lossSchema } from '../../../shared/recipe/loss-schema.js';

const sound = 'export function loss() { return { values: [], gradient: [] }; }\n';

function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'stillhouse-plugins-'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const losses = (plugins: Record<string, object>): ReturnType<typeof lossSchema.parse> =>
  lossSchema.parse({
    plugins: Object.fromEntries(Object.entries(plugins).map(([name, options]) => [name, { weight: 1, ...options }])),
  });

async function refusal(promise: Promise<unknown>): Promise<{ code: number; text: string }> {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof UserError)) throw new Error(`no UserError but ${String(error)}`);
  expect(error.message).not.toContain('\n');
  return { code: error.exitCode, text: error.message };
}

describe('plug-ins', () => {
  it('are the modules of a folder and those named one by one, by stem and digest', async () => {
    const folder = folderOf({ 'a.js': sound, 'b.mjs': `${sound}//`, 'notes.txt': 'no module' });
    const found = await installedPlugins([join(folderOf({ 'c.js': sound }), 'c.js'), join(folder, 'a.js')], folder);
    expect([...found].map(([name, plugin]) => [name, plugin.sha256])).toEqual([
      ['c', sha256(sound)],
      ['a', sha256(sound)],
      ['b', sha256(`${sound}//`)],
    ]);
    expect([...(await installedPlugins([], undefined))]).toEqual([]);
  });

  it.each([
    ['a file that is not there', ['nowhere/x.js'], 'nowhere/x.js: no such file; plug-ins were wanted'],
    [
      'a file of another kind',
      ['x.json'],
      'x.json: NAME.js or NAME.mjs with a name of letters, digits, "-" and "_" was wanted for a plug-in',
    ],
    [
      'a name that a recipe cannot have',
      ['1 2.js'],
      '1 2.js: NAME.js or NAME.mjs with a name of letters, digits, "-" and "_" was wanted for a plug-in',
    ],
  ])('are refused: %s', async (_, files, text) => {
    expect(await refusal(installedPlugins(files, undefined))).toEqual({ code: 2, text });
  });

  it('are refused where two of one name differ', async () => {
    const [one, two] = [folderOf({ 'a.js': sound }), folderOf({ 'a.mjs': `${sound}//` })];
    expect(await refusal(installedPlugins([join(one, 'a.js')], two))).toEqual({
      code: 2,
      text: `${join(two, 'a.mjs')}: another plug-in a is ${join(one, 'a.js')}; a name of its own for each wanted`,
    });
  });

  it('of a recipe have the digest of what is installed, else the one that it gives', async () => {
    const installed = await installedPlugins([], folderOf({ 'b.js': sound }));
    const given = 'f'.repeat(64);
    expect(await pluginDigests(losses({ b: { sha256: sha256(sound) }, a: { sha256: given } }), installed)).toEqual([
      { name: 'a', sha256: given },
      { name: 'b', sha256: sha256(sound) },
    ]);
    expect(await pluginDigests(lossSchema.parse({ crossEntropy: { weight: 1 } }), installed)).toEqual([]);
  });

  it.each([
    [
      'none anywhere',
      {},
      undefined,
      2,
      'losses.plugins.a: not installed here; --plugin a.js, a folder STILLHOUSE_PLUGINS that has it, or its sha256 wanted',
    ],
    [
      'another',
      { sha256: 'f'.repeat(64) },
      sound,
      65,
      `losses.plugins.a: the SHA-256 of FILE is ${sha256(sound)}; the recipe wants ${'f'.repeat(64)}`,
    ],
    [
      'a file',
      {},
      `import './b.js';\n${sound}`,
      65,
      'plug-in a: FILE imports ./b.js; one file that imports nothing was wanted, since its digest must speak for all of it',
    ],
    [
      'a package',
      {},
      `export { loss } from 'numeric';`,
      65,
      'plug-in a: FILE imports numeric; one file that imports nothing was wanted, since its digest must speak for all of it',
    ],
    [
      'a file later',
      {},
      `const name = '/tmp/b.js';\n${sound.replace('{', '{ import(name);')}`,
      65,
      'plug-in a: FILE imports something; one file that imports nothing was wanted, since its digest must speak for all of it',
    ],
    [
      'a built-in module',
      {},
      `import 'node:fs';\n${sound}`,
      65,
      'plug-in a: FILE imports node:fs; one file that imports nothing was wanted, since its digest must speak for all of it',
    ],
    ['nothing', {}, 'export const lost = 1;', 65, 'plug-in a: FILE exports no function loss'],
    ['no module', {}, 'export function loss( {', 65, 'plug-in a: FILE is no module: '],
  ])('of a recipe are refused: %s', async (_, options, source, code, text) => {
    const folder = folderOf(source === undefined ? {} : { 'a.js': source });
    const found = await refusal(pluginDigests(losses({ a: options }), await installedPlugins([], folder)));
    expect(found.text.replaceAll(join(folder, 'a.js'), 'FILE').slice(0, text.length)).toBe(text);
    expect(found.code).toBe(code);
  });

  it('may ask for the address of their module, and speak of imports', async () => {
    const installed = await installedPlugins(
      [],
      folderOf({ 'a.js': `// import './b.js'\nconst text = "import('x')", here = import.meta.url;\n${sound}` }),
    );
    expect(await pluginDigests(losses({ a: {} }), installed)).toHaveLength(1);
  });

  it('are none where the folder that the environment names has none', async () => {
    const folder = folderOf({});
    mkdirSync(join(folder, 'more.js'));
    expect((await refusal(installedPlugins([], folder))).text).toBe(
      `${join(folder, 'more.js')}: it is a folder; plug-ins were wanted`,
    );
    expect((await refusal(installedPlugins([], join(folder, 'none')))).text).toBe(
      `STILLHOUSE_PLUGINS ${join(folder, 'none')}: no such file; plug-ins were wanted`,
    );
  });
});
