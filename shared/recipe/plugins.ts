/**
 * Reads the loss plug-ins that the owner of this machine has installed: modules of one file, known by their stem and the
 * SHA-256 of their bytes. Only names and digests travel between machines, never code. This file runs none of them.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, parse as parsePath } from 'node:path';
import { init, parse } from 'es-module-lexer';
import { exitCodes, readProblem, UserError } from '../errors.js';
import { pluginName, type Losses } from './loss-schema.js';

export interface InstalledPlugin {
  readonly name: string;
  readonly path: string;
  readonly sha256: string;
  readonly source: string;
}

/** The plug-ins of this machine by name. */
export type InstalledPlugins = ReadonlyMap<string, InstalledPlugin>;

export interface PluginDigest {
  readonly name: string;
  readonly sha256: string;
}

const endings = ['.js', '.mjs'];

/**
 * Reads plug-ins from files and from a folder.
 *
 * @param files paths of plug-ins
 * @param folder all files in it that end in .js or .mjs are plug-ins, too; undefined or empty: there is none
 * @throws UserError 2 for a file that cannot be read, and for two different files of one name
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
    throw new UserError(`${what}: ${readProblem(error)}; plug-ins were wanted`, exitCodes.usage, error);
  }
}

/**
 * The digests of a recipe's plug-ins, in the order of their names: of the file that is installed on this machine, or
 * the recipe's own where none is.
 *
 * @throws UserError 2 for a plug-in that is not installed and has no digest in the recipe; 65 where both digests are
 *   there and differ, and for a file that imports others
 */
export async function pluginDigests(
  { plugins = {} }: Pick<Losses, 'plugins'>,
  installed: InstalledPlugins,
): Promise<PluginDigest[]> {
  const named = Object.entries(plugins).sort(([a], [b]) => (a < b ? -1 : 1));
  return Promise.all(
    named.map(async ([name, { sha256 }]) => {
      const here = installed.get(name);
      if (here === undefined) {
        if (sha256 !== undefined) return { name, sha256 };
        throw new UserError(
          `losses.plugins.${name}: not installed here; --plugin ${name}.js, a folder STILLHOUSE_PLUGINS that has it, or its sha256 wanted`,
        );
      }
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

/**
 * Makes sure that a plug-in is one file, so that its digest speaks for all the code that it runs.
 *
 * @throws UserError 65 for a plug-in that is no module, imports something, or exports no `loss`
 */
export async function expectOneFile({ name, path, source }: InstalledPlugin): Promise<void> {
  await init;
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(source);
  } catch (error) {
    throw new UserError(
      `plug-in ${name}: ${path} is no module: ${error instanceof Error ? error.message : String(error)}; one was wanted`,
      exitCodes.data,
      error,
    );
  }
  const [imports, exports] = parsed;
  // The lexer lists `import.meta` among the imports and marks it by -2.
  const other = imports.find(({ d }) => d !== -2);
  if (other !== undefined)
    throw new UserError(
      `plug-in ${name}: ${path} imports ${other.n ?? 'something'}; one file that imports nothing was wanted, since its digest must speak for all of it`,
      exitCodes.data,
    );
  if (!exports.some(({ n }) => n === 'loss'))
    throw new UserError(`plug-in ${name}: ${path} exports no function loss; one was wanted`, exitCodes.data);
}
