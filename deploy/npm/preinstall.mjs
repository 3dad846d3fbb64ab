/**
 * Runs before the install scripts of the packages that Stillhouse needs, where Stillhouse is installed as a package.
 *
 * onnxruntime-node's own script downloads CUDA libraries from outside of the package registry, and fails the whole
 * install on a machine that cannot reach them. The CPU part, which is all that Stillhouse takes from this package, is
 * complete without. npm has no way for a package to say that a dependency's script is not wanted, so the script is
 * replaced by one that does nothing. Whoever sets ONNXRUNTIME_NODE_INSTALL has it run as it is.
 *
 * npm 12 runs neither of the two scripts unless it is told to, which comes to the same. In a checkout the lock file
 * says that no dependency has an install script, and this file finds nothing left to do.
 */
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** The folder of onnxruntime-node as Stillhouse would load it, or null where it is not there (yet). */
function findPackage() {
  try {
    return dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
  } catch (error) {
    if (error.code === 'MODULE_NOT_FOUND') return null;
    throw error;
  }
}

const isAsked = ['ONNXRUNTIME_NODE_INSTALL', 'npm_config_onnxruntime_node_install'].some((name) => name in process.env);
const folder = isAsked ? null : findPackage();
if (folder !== null) {
  writeFileSync(join(folder, 'script', 'install.js'), '// Replaced: Stillhouse needs no further download here.\n');
}
