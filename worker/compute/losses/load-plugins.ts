/**
 * Compares the plug-ins of a run with those of this worker when it joins, and loads them. The bytes that were digested
 * are the ones that run: they are never read from the disk a second time.
 */
import { exitCodes, UserError } from '../../../shared/errors.js';
import {
  expectOneFile,
  type InstalledPlugin,
  type InstalledPlugins,
  type PluginDigest,
} from '../../../shared/recipe/plugins.js';
import type { PluginLoss, PluginLosses } from './plugin.js';

/**
 * Makes sure that this worker has the plug-ins of the run.
 *
 * @param installed SHA-256 of the plug-ins of this worker, by name
 * @throws UserError 77 naming both digests, for a plug-in that is missing here or is another file
 */
export function expectPlugins(wanted: readonly PluginDigest[], installed: Readonly<Record<string, string>>): void {
  for (const { name, sha256 } of wanted) {
    const here = installed[name];
    if (here === sha256) continue;
    throw new UserError(
      `plug-in ${name}: ${here === undefined ? 'none is installed' : `${here} is installed`} on this worker, ${sha256} is wanted by the run; install the same file (--plugin, or the folder STILLHOUSE_PLUGINS)`,
      exitCodes.refused,
    );
  }
}

/**
 * Imports plug-ins from the bytes that were digested.
 *
 * @throws UserError 65 for a plug-in that cannot be loaded, 77 for one that is not installed
 */
export async function loadPlugins(names: readonly string[], installed: InstalledPlugins): Promise<PluginLosses> {
  return new Map(
    await Promise.all(
      names.map(async (name): Promise<[string, PluginLoss]> => {
        const plugin = installed.get(name);
        if (plugin === undefined)
          throw new UserError(`plug-in ${name}: not installed on this worker`, exitCodes.refused);
        return [name, await load(plugin)];
      }),
    ),
  );
}

async function load(plugin: InstalledPlugin): Promise<PluginLoss> {
  await expectOneFile(plugin);
  const { name, path, source } = plugin;
  let module: unknown;
  try {
    module = await import(/* @vite-ignore */ `data:text/javascript;base64,${Buffer.from(source).toString('base64')}`);
  } catch (error) {
    throw new UserError(
      `plug-in ${name}: ${path} cannot be loaded: ${error instanceof Error ? error.message.slice(0, 300) : String(error)}`,
      exitCodes.data,
      error,
    );
  }
  const loss: unknown = typeof module === 'object' && module !== null ? Reflect.get(module, 'loss') : undefined;
  if (!isLoss(loss))
    throw new UserError(`plug-in ${name}: ${path} exports no function loss; one was wanted`, exitCodes.data);
  return loss;
}

function isLoss(value: unknown): value is PluginLoss {
  return typeof value === 'function';
}
