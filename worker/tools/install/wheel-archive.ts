/**
 * Takes files out of a Python wheel, which is a zip archive. Writes nowhere but under the folder that it is given, and
 * refuses an archive that is not whole.
 */
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { exitCodes, UserError } from '../../../shared/errors.js';
import { openZip, ZipError, type ZipArchive, type ZipEntry, type ZipProblem } from '../../../shared/zip.js';

/** Opens the archive, for the caller to close. @throws UserError 65 when it is no zip or its directory is damaged */
export async function openWheel(path: string): Promise<ZipArchive> {
  return openZip(path).catch((error: unknown) => {
    throw inWords(path, error);
  });
}

/**
 * Writes one entry under `folder`, at its own name, piece by piece.
 * @param path names the archive in errors
 * @param onBytes gets the length of each piece in bytes
 * @throws UserError 65 when the entry's name leaves the folder, its packing is unknown or its bytes are not what the
 * directory says
 */
export async function extractEntry(
  path: string,
  entry: ZipEntry,
  folder: string,
  onBytes: (bytes: number) => void = () => undefined,
): Promise<void> {
  const target = targetOf(path, entry, folder);
  await mkdir(dirname(target), { recursive: true });
  await pipeline(counted(entry, onBytes), createWriteStream(target)).catch((error: unknown) => {
    throw inWords(path, error, entry);
  });
}

async function* counted(entry: ZipEntry, onBytes: (bytes: number) => void): AsyncGenerator<Buffer> {
  for await (const piece of entry.read()) {
    onBytes(piece.length);
    yield piece;
  }
}

function targetOf(path: string, { name }: ZipEntry, folder: string): string {
  const isOutside =
    isAbsolute(name) ||
    name.includes('\\') ||
    name.includes('\0') ||
    name.split('/').some((part) => part === '..' || part === '');
  if (isOutside) throw badWheel(path, `the name ${JSON.stringify(name)} does not stay in its folder`);
  return join(folder, name);
}

const reasons: Readonly<Record<ZipProblem, (entry: ZipEntry | undefined) => string>> = {
  end: () => 'it has no end record: cut short, or no zip',
  directory: () => 'its directory is damaged',
  place: (entry) => `${entry?.name} is not where the directory says`,
  method: (entry) => `${entry?.name} is packed by method ${entry?.method}; wanted deflate or none`,
  packing: (entry) => `${entry?.name} does not unpack`,
  checksum: (entry) => `${entry?.name} is damaged: its checksum differs`,
};

function inWords(path: string, error: unknown, entry?: ZipEntry): unknown {
  return error instanceof ZipError ? badWheel(path, reasons[error.problem](entry), error) : error;
}

function badWheel(path: string, reason: string, cause?: unknown): UserError {
  return new UserError(`${path}: ${reason}; a whole wheel was wanted`, exitCodes.data, cause);
}
