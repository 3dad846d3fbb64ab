/** What installing needs and gives: nothing from outside the package registry, no script of a dependency, no tests. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

interface LockedPackage {
  readonly hasInstallScript?: boolean;
  readonly resolved?: string;
}

describe('package-lock.json', () => {
  const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, LockedPackage> };

  // npm ci runs the install scripts of those packages alone that the lock file says have one. After a change of the
  // dependencies: npm run lock
  it('gives no dependency an install script', () => {
    expect(Object.keys(packages).length).toBeGreaterThan(100);
    expect(Object.entries(packages).filter(([, { hasInstallScript }]) => hasInstallScript === true)).toEqual([]);
  });

  it('names no registry', () => {
    expect(Object.entries(packages).filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
  });
});

describe('package.json', () => {
  const manifest = JSON.parse(read('package.json')) as {
    exports: Record<string, string>;
    files: string[];
    bin: Record<string, string>;
  };

  it('exports what is built', () => {
    for (const path of [...Object.values(manifest.exports), ...Object.values(manifest.bin)]) {
      expect(read(path).length, path).toBeGreaterThan(0);
    }
    expect(JSON.parse(read('dist/recipe.schema.json'))).toEqual(JSON.parse(read('shared/recipe/recipe.schema.json')));
  });

  it('ships neither tests nor benchmarks', () => {
    expect(manifest.files).toContain('!dist/bench');
    expect(manifest.files.filter((name) => name.startsWith('test') || name.startsWith('bench'))).toEqual([]);
  });
});
