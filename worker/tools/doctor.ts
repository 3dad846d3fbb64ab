/**
 * `stillhouse doctor`: what this machine can do, and what stands in the way. Each check says its finding and, where
 * something is wrong, the wish; each backend is tried with one operation.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rm, statfs, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { listGpus, visibleGpus, type Gpu } from '../compute/backends/gpus.js';
import { findCompiler } from './install/addon.js';
import { flavours, type Flavour } from '../compute/backends/native/pins.js';
import { findInstalled } from '../compute/backends/native/folder.js';
import { tryBackend, type Trial, type Tried } from '../compute/open/backend-trial.js';
import { cacheFolder } from '../../shared/cache-folder.js';

export interface Check {
  readonly name: string;
  /** fail: a worker cannot run here. warn: something that a user may want is missing. */
  readonly state: 'ok' | 'warn' | 'fail';
  readonly finding: string;
  /** What to do about it. */
  readonly wish?: string;
}

export interface Examination {
  readonly cache?: string;
  readonly gpus?: readonly Gpu[];
  readonly tryOne?: (tried: Tried, cache: string) => Promise<Trial>;
}

/** All checks, in the order in which they are shown. */
export async function diagnose({
  cache = cacheFolder(),
  gpus = listGpus(),
  tryOne = tryBackend,
}: Examination = {}): Promise<Check[]> {
  return [
    checkNode(process.versions.node),
    checkSimd(),
    checkCores(),
    checkMemory(),
    checkGpus(gpus),
    checkTrial('backend wasm', await tryOne('wasm', cache), 'run npm ci again'),
    ...(await checkNatives(cache, visibleGpus(gpus).length > 0, tryOne)),
    await checkCompiler(),
    await checkOnnx(),
    checkScripts(),
    ...(await checkCache(cache)),
    checkOpenFiles(),
  ];
}

/** One line a check, for people. */
export function formatChecks(checks: readonly Check[]): string {
  const width = Math.max(...checks.map(({ name }) => name.length));
  const marks = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' } as const;
  return checks
    .map(
      ({ name, state, finding, wish }) =>
        `${marks[state]}  ${name.padEnd(width)}  ${finding}${wish === undefined ? '' : `; ${wish}`}`,
    )
    .join('\n');
}

export function checkNode(version: string): Check {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const isOld = major < 20 || (major === 20 && minor < 19);
  return isOld
    ? { name: 'node', state: 'fail', finding: version, wish: 'take 20.19 or newer' }
    : { name: 'node', state: 'ok', finding: version };
}

/** A module with one SIMD instruction: `v128.const`, dropped. */
const simdModule = Uint8Array.from([
  0,
  97,
  115,
  109,
  1,
  0,
  0,
  0,
  1,
  4,
  1,
  96,
  0,
  0,
  3,
  2,
  1,
  0,
  10,
  23,
  1,
  21,
  0,
  253,
  12,
  ...new Array<number>(16).fill(0),
  26,
  11,
]);

function checkSimd(): Check {
  const name = 'wasm simd';
  if (WebAssembly.validate(simdModule)) return { name, state: 'ok', finding: 'here' };
  return { name, state: 'fail', finding: 'not in this Node or CPU', wish: 'take a CPU with SSE 4.1 or newer' };
}

function checkCores(): Check {
  return { name: 'cores', state: 'ok', finding: `${availableParallelism()} for this process` };
}

function checkMemory(): Check {
  return {
    name: 'memory',
    state: freemem() < 512 * 2 ** 20 ? 'warn' : 'ok',
    finding: `${gibibytes(freemem())} of ${gibibytes(totalmem())} free`,
  };
}

export function checkGpus(gpus: readonly Gpu[], visible = process.env.CUDA_VISIBLE_DEVICES): Check {
  const name = 'gpus';
  if (gpus.length === 0) return { name, state: 'ok', finding: 'none (no NVIDIA driver answers)' };
  const ours = visibleGpus(gpus, visible);
  const finding = `${ours.length} of ${gpus.length} visible: ${ours.map(({ index, name: model }) => `${index} ${model}`).join(', ')}`;
  if (ours.length === 0)
    return {
      name,
      state: 'warn',
      finding: `${gpus.length}, and CUDA_VISIBLE_DEVICES=${visible ?? ''} hides all`,
      wish: 'unset it or name one',
    };
  return { name, state: 'ok', finding };
}

function checkTrial(name: string, { works, detail, gpu }: Trial, wish: string): Check {
  if (!works) return { name, state: 'fail', finding: detail, wish };
  return { name, state: 'ok', finding: `works (${detail}${gpu === null ? '' : `, on ${gpu}`})` };
}

/** One that is not installed is no fault, unless there is a GPU that only it could use. */
async function checkNatives(
  cache: string,
  hasGpu: boolean,
  tryOne: NonNullable<Examination['tryOne']>,
): Promise<Check[]> {
  const check = async (flavour: Flavour): Promise<Check> => {
    const name = `backend native ${flavour}`;
    const wish = `run stillhouse backend install ${flavour}`;
    if (findInstalled(cache, flavour) === null) {
      const isMissed = flavour === 'cuda' && hasGpu;
      return {
        name,
        state: isMissed ? 'warn' : 'ok',
        finding: 'not installed',
        ...(isMissed || flavour === 'cpu' ? { wish: `${isMissed ? '' : 'faster than wasm: '}${wish}` } : {}),
      };
    }
    const trial = await tryOne(flavour, cache);
    if (trial.works && hasGpu && flavour === 'cuda' && trial.gpu === null) {
      return {
        name,
        state: 'fail',
        finding: `loads (${trial.detail}) and gets no GPU`,
        wish: 'check the driver: it must know CUDA 12',
      };
    }
    return checkTrial(name, trial, `${wish} --force`);
  };
  return [await check(flavours[0]), await check(flavours[1])];
}

async function checkCompiler(): Promise<Check> {
  const name = 'c++ compiler';
  return findCompiler().then(
    (compiler): Check => ({ name, state: 'ok', finding: compiler }),
    (): Check => ({
      name,
      state: 'ok',
      finding: 'none',
      wish: 'only backend install needs one (on Debian: apt-get install g++)',
    }),
  );
}

async function checkOnnx(): Promise<Check> {
  const name = 'onnxruntime';
  try {
    const { listSupportedBackends } = await import('onnxruntime-node');
    return {
      name,
      state: 'ok',
      finding: `loads (${listSupportedBackends()
        .filter(({ bundled }) => bundled)
        .map((backend) => backend.name)
        .join(', ')})`,
    };
  } catch (error) {
    return {
      name,
      state: 'fail',
      finding: error instanceof Error ? (error.message.split('\n', 1)[0] ?? '') : String(error),
      wish: 'run npm ci again',
    };
  }
}

/** Install scripts are not needed: what would break is a package whose binaries did not arrive. */
function checkScripts(): Check {
  const name = 'npm packages';
  const require = createRequire(import.meta.url);
  const missing = ['@tensorflow/tfjs', '@tensorflow/tfjs-backend-wasm', 'onnxruntime-node', 'ws', 'msgpackr'].filter(
    (wanted) => {
      try {
        return !existsSync(require.resolve(wanted));
      } catch {
        return true; // not installed: this is what is asked
      }
    },
  );
  if (missing.length > 0) return { name, state: 'fail', finding: `missing: ${missing.join(', ')}`, wish: 'run npm ci' };
  return { name, state: 'ok', finding: 'all here (no install script is needed)' };
}

async function checkCache(cache: string): Promise<Check[]> {
  const name = 'cache folder';
  try {
    await mkdir(cache, { recursive: true });
    const probe = join(cache, `.doctor-${randomBytes(6).toString('hex')}`);
    await writeFile(probe, 'a');
    await rm(probe);
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    return [
      {
        name,
        state: 'fail',
        finding: `${cache} cannot be written (${reason})`,
        wish: 'set STILLHOUSE_CACHE to a folder that can',
      },
      await checkDisk(dirname(cache)),
    ];
  }
  return [{ name, state: 'ok', finding: cache }, await checkDisk(cache)];
}

async function checkDisk(folder: string): Promise<Check> {
  const name = 'free disk';
  const free = await statfs(folder).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => null,
  );
  if (free === null) return { name, state: 'warn', finding: `unknown for ${folder}` };
  const isShort = free < 2 * 2 ** 30;
  return {
    name,
    state: isShort ? 'warn' : 'ok',
    finding: `${gibibytes(free)} at ${folder}`,
    ...(isShort ? { wish: 'a native backend needs 2 GiB, one with CUDA 8' } : {}),
  };
}

/** A coordinator has one open file for each worker, and some more. */
function checkOpenFiles(): Check {
  const name = 'open files';
  try {
    const limit = execFileSync('/bin/sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).trim();
    const isLow = limit !== 'unlimited' && Number(limit) < 1024;
    return {
      name,
      state: isLow ? 'warn' : 'ok',
      finding: `at most ${limit}`,
      ...(isLow ? { wish: 'raise ulimit -n to 1024' } : {}),
    };
  } catch {
    return { name, state: 'warn', finding: 'the limit is unknown' };
  }
}

function gibibytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
