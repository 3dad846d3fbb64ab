/**
 * Takes the install scripts of dependencies out of package-lock.json, so that `npm ci` runs none of them, with any npm:
 * Stillhouse works without them, and one of them needs a network beyond the package registry. Run by `npm run lock`
 * after a change of the dependencies.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));
for (const locked of Object.values(lock.packages)) delete locked.hasInstallScript;
writeFileSync('package-lock.json', `${JSON.stringify(lock, null, 2)}\n`);
