/** The version of the program. */
import { readFileSync } from 'node:fs';

/** As the package says it. */
export function packageVersion(): string {
  // The package is one folder up from the sources, and two from what is built of them.
  const place = import.meta.url.endsWith('.ts') ? '../package.json' : '../../package.json';
  const { version } = JSON.parse(readFileSync(new URL(place, import.meta.url), 'utf8')) as { version: string };
  return version;
}
