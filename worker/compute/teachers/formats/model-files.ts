/** Where a model's files lie. */
import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ifReachable } from '../../../../shared/files.js';

/** Paths of a model file and of those that it names, by their names relative to its folder; the model file first. */
export function filesBeside(path: string, others: readonly string[]): Map<string, string> {
  return new Map([[basename(path), path], ...others.map((name) => [name, join(dirname(path), name)] as const)]);
}

/** Whether a file or a folder has this path. */
export async function pathExists(path: string): Promise<boolean> {
  return (await ifReachable(stat(path))) !== null;
}
