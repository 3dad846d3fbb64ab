/** What a finished run's folder holds beside journal, log and states, each of which has digests of its own. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ifReachable } from '../../shared/files.js';
import { sha256OfFile } from '../../shared/sha256.js';

const files = ['recipe.yaml', 'report.html', 'metrics.jsonl', 'probe.json', join('baseline', 'summary.json')];
const folders: readonly (readonly [name: string, files: RegExp])[] = [
  ['student', /^/],
  ['student-exits', /^/],
  ['student-best', /^/],
  ['generations', /^\d+$/],
  ['events', /^/],
  ['snapshots', /\.(json|weights)$/],
];

/**
 * The SHA-256 of each file, by its path in the folder. The files of students are among them, metrics, recipe,
 * generations, events, headers of snapshots, the best weights, and the summary of a baseline.
 *
 * @param folder the run's folder
 */
export async function digestsIn(folder: string): Promise<Record<string, string>> {
  const inside = await Promise.all(
    folders.map(async ([name, pattern]) => {
      const names = (await ifReachable(readdir(join(folder, name)))) ?? [];
      return names.filter((one) => pattern.test(one)).map((one) => join(name, one));
    }),
  );
  const digests: Record<string, string> = {};
  for (const name of [...files, ...inside.flat()].sort()) {
    const sha256 = await digestOf(join(folder, name));
    if (sha256 !== null) digests[name] = sha256;
  }
  return digests;
}

/** The SHA-256 of a file; null where there is none. */
export async function digestOf(path: string): Promise<string | null> {
  return (await ifReachable(sha256OfFile(path)))?.sha256 ?? null;
}
