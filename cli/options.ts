/** The options that several verbs share, each declared once, and the types of what commander makes of them. */
import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { usualMemoryFolder } from '../shared/exchange/planes/memory-file.js';
import { trustModels } from '../worker/compute/teachers/formats/trust.js';
import { withServerTls } from './tls.js';
import { collect, integer } from './values.js';

export type BackendName = 'auto' | 'onnx' | 'wasm' | 'native';

/** The flags of a verb that reads a recipe. */
export interface RecipeFlags {
  /** Keys of the recipe to change, each as `key.path=value`. */
  readonly set: string[];
  readonly seed?: number;
  readonly trustModels?: boolean;
}

/** The flags of a verb that loads plug-ins. */
export interface PluginFlags {
  readonly plugin?: string[];
}

/** The flag of a verb whose processes may share files in memory with others of this host. */
export interface MemoryFlags {
  /** Null for `none`; absent: the usual folder, where there is one. */
  readonly memoryFolder?: string | null;
}

/** The flags of a verb that starts workers on this machine. */
export interface LocalFlags extends PluginFlags, MemoryFlags {
  /** How many workers to start; absent: one for each GPU, else one for each core. */
  readonly workers?: number;
  readonly backend?: BackendName;
  readonly quiet?: boolean;
  readonly trustModels?: boolean;
}

/** The flags of a verb that runs a recipe or a part of it. */
export interface RunFlags extends RecipeFlags, LocalFlags {
  readonly out?: string;
  readonly json?: boolean;
}

/** The flags of a verb that continues a run folder where it finds one. */
export interface FolderFlags extends RunFlags {
  readonly resume?: boolean;
  readonly force?: boolean;
  /** What becomes of a finished run in the way; none of them: with `--out` it is the result, else the next is numbered. */
  readonly overwrite?: boolean;
  readonly number?: boolean;
  readonly once?: boolean;
  /** The file that what the run does is drawn into. */
  readonly trace?: string;
  /** The URL of an MLflow server. */
  readonly mlflow?: string;
}

/** Adds what every verb that reads a recipe has. */
export function withRecipe(command: Command): Command {
  return command
    .option('--set <key.path=value>', 'change one key of the recipe; may be repeated', collect, [])
    .option('--seed <n>', "the seed, instead of the recipe's", integer)
    .addOption(trustOption())
    .on('option:trust-models', trustModels);
}

/** Whether models are opened that may do more than compute, where the recipe trusts them, too. */
export function trustOption(): Option {
  return new Option('--trust-models', 'open models that may do more than compute, where the recipe trusts them, too');
}

/** Adds what every verb that runs a recipe has. */
export function withRun(command: Command): Command {
  return withRecipe(command)
    .addOption(pluginOption())
    .option('--out <dir>', 'the run folder (default runs/NAME)')
    .option('--json', 'results as JSON')
    .option('--quiet', 'no progress');
}

/** Adds what every verb that continues a run folder has. */
export function withFolder(command: Command): Command {
  return withRun(command)
    .option('--resume', 'refuse to begin: there must be a run of this recipe, finished or to continue')
    .option('--force', 'continue an unfinished run with another recipe')
    .addOption(new Option('--overwrite', 'replace a finished run').conflicts(['number', 'resume', 'once']))
    .addOption(
      new Option('--number', 'go to DIR-2, DIR-3, ... beside finished runs (default without --out)').conflicts('once'),
    )
    .option('--once', 'where the newest run of this recipe is finished, tell of it again (default with --out)')
    .option('--mlflow <url>', 'show the run on this MLflow server, too')
    .option('--trace <file>', 'draw what coordinator and workers do, for ui.perfetto.dev');
}

/** Says where the token lies that a worker and its coordinator must share. */
export function tokenFileOption(): Option {
  return new Option('--token-file <file>', 'the join token (else STILLHOUSE_TOKEN)');
}

/** Adds what every verb that lets workers join has, but for the address where it listens. */
export function withJoining(command: Command): Command {
  return withServerTls(command.addOption(tokenFileOption()).option('--insecure', 'no token beyond loopback'));
}

/** Where files lie that processes of one host exchange bulk bytes in. */
export function memoryOption(): Option {
  return new Option(
    '--memory-folder <dir>',
    'where processes of this host share files for gradients, or none (default /dev/shm)',
  ).argParser(memoryFolder);
}

/** @throws InvalidArgumentError for what is no folder */
function memoryFolder(text: string): string | null {
  if (text === 'none') return null;
  if (statSync(text, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new InvalidArgumentError('a folder that is there, or none, was wanted');
  return resolve(text);
}

/** The folder that the flags name, or the usual one; null where files are not to be shared or there is no such folder. */
export function memoryFolderOf({ memoryFolder: given }: MemoryFlags): string | null {
  if (given !== undefined) return given;
  return existsSync(usualMemoryFolder) ? usualMemoryFolder : null;
}

export function pluginOption(): Option {
  return new Option(
    '--plugin <file>',
    'a loss plug-in that is installed here; may be repeated (else the folder STILLHOUSE_PLUGINS)',
  )
    .argParser(collect)
    .default([]);
}

/** @param otherwise the backend of a verb that has no recipe to name one */
export function backendOption(otherwise?: BackendName): Option {
  const option = new Option('--backend <name>', 'what to compute with').choices(['auto', 'onnx', 'wasm', 'native']);
  return otherwise === undefined ? option : option.default(otherwise);
}
