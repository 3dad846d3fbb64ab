/**
 * Loss plug-ins that the owner of this machine has installed: modules of one file, known by their stem and the SHA-256
 * of their bytes. They never come over the wire; what does is name and digest, to compare. Nothing is run here.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, parse as parsePath } from 'node:path';
import { init, parse } from 'es-module-lexer';
import { exitCodes, UserError } from '../errors.js';
import { pluginName, type Losses } from './loss-schema.js';

export interface InstalledPlugin {
  readonly name: string;
  readonly path: string;
  readonly sha256: string;
  readonly source: string;
}

/** By name. */
export type InstalledPlugins = ReadonlyMap<string, InstalledPlugin>;

export interface PluginDigest {
  readonly name: string;
  readonly sha256: string;
}

const endings = ['.js', '.mjs'];

/**
 * @param files named one by one; `folder`: all in it that end in .js or .mjs @throws UserError 2 for what cannot be
 * read, and for two of one name
 */
export async function installedPlugins(
  files: readonly string[],
  folder: string | undefined,
): Promise<InstalledPlugins> {
  const inFolder =
    folder === undefined || folder === ''
      ? []
      : (await read(`STILLHOUSE_PLUGINS ${folder}`, readdir(folder)))
          .filter((name) => endings.includes(parsePath(name).ext))
          .map((name) => join(folder, name));
  const found = new Map<string, InstalledPlugin>();
  for (const path of [...files, ...inFolder]) {
    const plugin = await readPlugin(path);
    const other = found.get(plugin.name);
    if (other !== undefined && other.sha256 !== plugin.sha256)
      throw new UserError(
        `${path}: another plug-in ${plugin.name} is ${other.path}; a name of its own for each wanted`,
      );
    found.set(plugin.name, plugin);
  }
  return found;
}

async function readPlugin(path: string): Promise<InstalledPlugin> {
  const { name, ext } = parsePath(path);
  if (!pluginName.test(name) || !endings.includes(ext))
    throw new UserError(
      `${path}: NAME.js or NAME.mjs with a name of letters, digits, "-" and "_" was wanted for a plug-in`,
    );
  const bytes = await read(path, readFile(path));
  return { name, path, sha256: createHash('sha256').update(bytes).digest('hex'), source: bytes.toString('utf8') };
}

async function read<T>(what: string, reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    throw new UserError(`${what}: cannot be read; plug-ins were wanted`, exitCodes.usage, error);
  }
}

/**
 * What a recipe's plug-ins are, by name in their order: their digests from here, or from the recipe where none is
 * installed.
 * @throws UserError 2 for one that neither tells, 65 where both do and differ, or where its file is more than a file
 */
export async function pluginDigests(
  { plugins = {} }: Pick<Losses, 'plugins'>,
  installed: InstalledPlugins,
): Promise<PluginDigest[]> {
  const named = Object.entries(plugins).sort(([a], [b]) => (a < b ? -1 : 1));
  return Promise.all(
    named.map(async ([name, { sha256 }]) => {
      const here = installed.get(name);
      if (here === undefined && sha256 === undefined)
        throw new UserError(
          `losses.plugins.${name}: not installed here; --plugin ${name}.js, a folder STILLHOUSE_PLUGINS that has it, or its sha256 wanted`,
        );
      if (here === undefined) return { name, sha256: sha256 ?? '' };
      if (sha256 !== undefined && sha256 !== here.sha256)
        throw new UserError(
          `losses.plugins.${name}: the SHA-256 of ${here.path} is ${here.sha256}; the recipe wants ${sha256}`,
          exitCodes.data,
        );
      await expectOneFile(here);
      return { name, sha256: here.sha256 };
    }),
  );
}

/** So that its digest speaks for all that it runs. @throws UserError 65 for one that imports, or exports no `loss` */
export async function expectOneFile({ name, path, source }: InstalledPlugin): Promise<void> {
  await init;
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(source);
  } catch (error) {
    throw new UserError(
      `plug-in ${name}: ${path} is no module: ${error instanceof Error ? error.message : String(error)}`,
      exitCodes.data,
      error,
    );
  }
  const [imports, exports] = parsed;
  // -2 is import.meta.
  const other = imports.find(({ d }) => d !== -2);
  if (other !== undefined)
    throw new UserError(
      `plug-in ${name}: ${path} imports ${other.n ?? 'something'}; one file that imports nothing was wanted, since its digest must speak for all of it`,
      exitCodes.data,
    );
  if (!exports.some(({ n }) => n === 'loss'))
    throw new UserError(`plug-in ${name}: ${path} exports no function loss`, exitCodes.data);
}
