/** Access to files of which it is no fault that they are not there, and the making of folders. */
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf } from './errors.js';

/**
 * What an access to a file or folder gives, or null where nothing has that name.
 *
 * @param access any access: reading, opening, removing, taking its size
 * @throws every other error of the access, also when a file lies where a folder on the way to it was wanted
 */
export async function ifThere<T>(access: Promise<T>): Promise<T | null> {
  try {
    return await access;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
}

/**
 * The same, and null also where nothing can have that name, since a file lies where a folder on the way to it, or the
 * folder itself, was wanted.
 */
export async function ifReachable<T>(access: Promise<T>): Promise<T | null> {
  try {
    return await ifThere(access);
  } catch (error) {
    if (codeOf(error) === 'ENOTDIR') return null;
    throw error;
  }
}

/**
 * Makes a folder and those around it that are missing. The system's own recursive call never returns where a file system
 * takes no folder and says that the one around it is missing, as /proc does.
 *
 * @throws the system's error, with ENOTDIR where something else has the name
 */
export async function makeFolders(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return expectFolder(path);
    const around = dirname(path);
    if (codeOf(error) !== 'ENOENT' || around === path) throw error;
    await makeFolders(around);
    await mkdir(path).catch((again: unknown) => {
      if (codeOf(again) !== 'EEXIST') throw again;
    });
  }
}

/** @throws an error with the code ENOTDIR where a file, or a link that leads nowhere, has the name */
async function expectFolder(path: string): Promise<void> {
  if ((await ifThere(stat(path)))?.isDirectory() === true) return;
  throw Object.assign(new Error(`${path}: not a folder`), { code: 'ENOTDIR' });
}
