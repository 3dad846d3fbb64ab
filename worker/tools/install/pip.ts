/** Asks Python's pip, which knows its machine's package index, and lets it fetch packages. */
import { join } from 'node:path';
import { exitCodes, UserError } from '../../../shared/errors.js';
import { lastWords, runCommand } from '../../compute/backends/command.js';
import type { PinnedLibrary } from '../../compute/backends/pinned-library.js';

/** A program and its first arguments. */
export type PipCommand = readonly [program: string, ...args: string[]];

/** How pip is called on this machine; null where there is none. */
export async function findPip(): Promise<PipCommand | null> {
  const candidates: readonly PipCommand[] = [['python3', '-m', 'pip'], ['pip3'], ['pip']];
  for (const candidate of candidates) if ((await runPip(candidate, ['--version'])).code === 0) return candidate;
  return null;
}

function runPip([program, ...first]: PipCommand, args: readonly string[], options = {}): ReturnType<typeof runCommand> {
  return runCommand(program, [...first, ...args], options);
}

/**
 * The base address of the index that pip would use: from its environment, its configuration, or its own default as its
 * help prints it. Null where pip does not say.
 */
export async function askPip(pip: PipCommand | null, env: NodeJS.ProcessEnv = process.env): Promise<string | null> {
  if (env.PIP_INDEX_URL) return env.PIP_INDEX_URL;
  if (pip === null) return null;
  const configured = await runPip(pip, ['config', 'get', 'global.index-url']);
  if (configured.code === 0 && configured.stdout.trim() !== '') return configured.stdout.trim();
  const help = await runPip(pip, ['install', '--help'], { env: { ...env, COLUMNS: '1000' } });
  return parsePipHelp(help.stdout);
}

/** Finds the address in `--index-url <url> Base URL of the Python Package Index (default ADDRESS).` */
export function parsePipHelp(help: string): string | null {
  return /--index-url\s+<url>[\s\S]*?\(default\s+(https?:\/\/[^\s)]+)\)/.exec(help)?.[1] ?? null;
}

/** Lets pip fetch the library's first wheel into the folder of `path`. @throws UserError 69 when it fails */
export async function downloadByPip(pip: PipCommand, pinned: PinnedLibrary, path: string): Promise<void> {
  const { library, version, wheels } = pinned;
  const args = ['download', '--no-deps', ...pipTags(wheels[0].file), '-d', join(path, '..'), `${library}==${version}`];
  const result = await runPip(pip, args, { showOutput: true });
  if (result.code !== 0)
    throw new UserError(
      `pip download failed (${lastWords(result, 1)}); give --wheel FILE or --mirror URL`,
      exitCodes.unavailable,
    );
}

/**
 * The options that make pip take that wheel and no other, whatever Python it runs on: from `NAME-VERSION-PYTHON-ABI-PLATFORMS.whl`.
 */
export function pipTags(file: string): string[] {
  const [python = '', abi = '', platforms = ''] = file
    .replace(/\.whl$/, '')
    .split('-')
    .slice(-3);
  const [, implementation = '', version = ''] = /^([a-z]+)(\d+)$/.exec(python) ?? [];
  return [
    ...['--only-binary=:all:', '--implementation', implementation, '--python-version', version, '--abi', abi],
    ...platforms.split('.').flatMap((platform) => ['--platform', platform]),
  ];
}

/**
 * Lets pip install the packages with CUDA's libraries into `folder`.
 * @param requirements lines for pip, one a package
 * @throws UserError 69 when pip is missing or fails
 */
export async function installCudaLibraries(requirements: readonly string[], folder: string): Promise<void> {
  const pip = await findPip();
  const wish = 'CUDA libraries come as Python packages (several GB)';
  if (pip === null)
    throw new UserError(
      `${wish} and pip was not found; install it, on Debian: apt-get install python3-pip`,
      exitCodes.unavailable,
    );
  const args = ['install', '--no-deps', '--target', folder, '--only-binary=:all:', ...requirements];
  const result = await runPip(pip, args, { showOutput: true });
  if (result.code !== 0)
    throw new UserError(`${wish}; pip install failed (${lastWords(result, 1)})`, exitCodes.unavailable);
}
