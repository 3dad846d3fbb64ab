/** Checks of the software that this program uses: a compiler, its npm packages. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { findCompiler } from '../install/addon.js';
import type { MachineCheck } from './machine-check.js';

/** Names the C++ compiler; that there is none is no fault. */
export async function checkCompiler(): Promise<MachineCheck> {
  const name = 'c++ compiler';
  return findCompiler().then(
    (compiler): MachineCheck => ({ name, state: 'ok', finding: compiler }),
    (): MachineCheck => ({
      name,
      state: 'ok',
      finding: 'none',
      wish: 'only backend install needs one, for TensorFlow (on Debian: apt-get install g++)',
    }),
  );
}

const packages = ['@tensorflow/tfjs', '@tensorflow/tfjs-backend-wasm', 'onnxruntime-node', 'ws', 'msgpackr'];

/** Fails when a package's files did not arrive. Install scripts are not needed, and not asked for. */
export function checkPackages(): MachineCheck {
  const name = 'npm packages';
  const require = createRequire(import.meta.url);
  const missing = packages.filter((wanted) => {
    try {
      return !existsSync(require.resolve(wanted));
    } catch {
      return true; // A package that is not installed cannot be resolved, and this is what is asked.
    }
  });
  if (missing.length > 0) return { name, state: 'fail', finding: `missing: ${missing.join(', ')}`, wish: 'run npm ci' };
  return { name, state: 'ok', finding: 'all here (no install script is needed)' };
}
