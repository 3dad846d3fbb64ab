/** Access to files of which it is no fault that they are not there. */
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
