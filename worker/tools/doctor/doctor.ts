/**
 * `stillhouse doctor`: what this machine can do, and what stands in the way. Each check says what it finds and, where
 * something is wrong, what to do about it.
 */
import { cacheFolder } from '../../../shared/cache-folder.js';
import { UserError } from '../../../shared/errors.js';
import { listGpus, visibleGpus, type Gpu } from '../../compute/backends/gpus.js';
import { tryBackend } from '../../compute/open/backend-trial.js';
import { checkNatives, checkProviders, checkWasm, type TryBackend } from './backends.js';
import { checkCache } from './cache.js';
import { checkCertificate, type CertificateToCheck } from './certificates.js';
import type { MachineCheck } from './machine-check.js';
import { checkAddresses, checkCores, checkGpus, checkMemory, checkNode, checkOpenFiles, checkSimd } from './machine.js';
import { checkCompiler, checkPackages } from './software.js';

export interface Examination {
  /** The cache folder, or how it is found. */
  readonly cache?: string | (() => string);
  /** Default: those that the driver lists. */
  readonly gpus?: readonly Gpu[];
  readonly tryOne?: TryBackend;
  /** Default: none. */
  readonly certificates?: readonly CertificateToCheck[];
}

/** Makes all checks, in the order in which they are shown. */
export async function diagnose({
  cache = cacheFolder,
  gpus = listGpus(),
  tryOne = tryBackend,
  certificates = [],
}: Examination = {}): Promise<MachineCheck[]> {
  const folder = folderOf(cache);
  const isKnown = typeof folder === 'string';
  const hasGpu = visibleGpus(gpus).length > 0;
  return [
    checkNode(process.versions.node),
    checkSimd(),
    checkCores(),
    checkMemory(),
    checkAddresses(),
    checkGpus(gpus),
    await checkWasm(isKnown ? folder : '', tryOne),
    ...(isKnown ? await checkNatives(folder, hasGpu, tryOne) : []),
    ...(await checkProviders(isKnown ? folder : null, hasGpu, tryOne)),
    await checkCompiler(),
    checkPackages(),
    ...(isKnown ? await checkCache(folder) : [folder]),
    checkOpenFiles(),
    ...certificates.map((certificate) => checkCertificate(certificate, Date.now())),
  ];
}

/** The cache folder, or what is found where there is none. */
function folderOf(cache: string | (() => string)): string | MachineCheck {
  if (typeof cache === 'string') return cache;
  try {
    return cache();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const [finding = '', wish = ''] = error.message.replace('cache folder: ', '').split('; ');
    return { name: 'cache folder', state: 'fail', finding, wish: `set ${wish.replace(' wanted', '')}` };
  }
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
