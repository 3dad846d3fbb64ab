/**
 * `stillhouse doctor`: what this machine can do, and what stands in the way. Each check says what it finds and, where
 * something is wrong, what to do about it.
 */
import { cacheFolder } from '../../../shared/cache-folder.js';
import { listGpus, visibleGpus, type Gpu } from '../../compute/backends/gpus.js';
import { tryBackend } from '../../compute/open/backend-trial.js';
import { checkNatives, checkWasm, type TryBackend } from './backends.js';
import { checkCache } from './cache.js';
import type { MachineCheck } from './machine-check.js';
import { checkCores, checkGpus, checkMemory, checkNode, checkOpenFiles, checkSimd } from './machine.js';
import { checkCompiler, checkOnnx, checkPackages } from './software.js';

export interface Examination {
  readonly cache?: string;
  /** Default: those that the driver lists. */
  readonly gpus?: readonly Gpu[];
  readonly tryOne?: TryBackend;
}

/** Makes all checks, in the order in which they are shown. */
export async function diagnose({
  cache = cacheFolder(),
  gpus = listGpus(),
  tryOne = tryBackend,
}: Examination = {}): Promise<MachineCheck[]> {
  return [
    checkNode(process.versions.node),
    checkSimd(),
    checkCores(),
    checkMemory(),
    checkGpus(gpus),
    await checkWasm(cache, tryOne),
    ...(await checkNatives(cache, visibleGpus(gpus).length > 0, tryOne)),
    await checkCompiler(),
    await checkOnnx(),
    checkPackages(),
    ...(await checkCache(cache)),
    checkOpenFiles(),
  ];
}

/** One line a check, for people. */
export function formatChecks(checks: readonly MachineCheck[]): string {
  const width = Math.max(...checks.map(({ name }) => name.length));
  const marks = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' } as const;
  return checks
    .map(
      ({ name, state, finding, wish }) =>
        `${marks[state]}  ${name.padEnd(width)}  ${finding}${wish === undefined ? '' : `; ${wish}`}`,
    )
    .join('\n');
}
