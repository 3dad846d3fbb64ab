/**
 * Opens sessions on this process's provider: one thread, nodes in sequence, so that bits depend on nothing but inputs.
 * A session on the GPU is watched in its first run, and what it leaves to the CPU is told.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import type { InferenceSession } from 'onnxruntime-node';
import { foreignReach } from '../../onnx/reach.js';
import { cpuPart, placedNodes } from './placement.js';
import { cpuPartTeller, onnxRuntime, provider, type OnnxRuntime, type TellCpuPart } from './runtime.js';

/** How sessions are opened, but for the provider. */
export const sessionOptions: InferenceSession.SessionOptions = {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  // Fatal alone: what goes wrong is thrown, and said in a line of this program's.
  logSeverityLevel: 4,
  // Products of bytes are summed in 32 bits. On processors without VNNI, ONNX Runtime sums pairs of them in 16 else, which
  // overflow: a quantized teacher gave other logits there.
  extra: { session: { x64quantprecision: '1' } },
};

/**
 * Opens a model, given as its bytes or its path. The session is the caller's to release.
 * @param what whose model it is, for people: `teacher wide`
 * @throws Error of onnxruntime when it cannot be loaded
 */
export async function createSession(model: Uint8Array | string, what: string): Promise<InferenceSession> {
  const runtime = await onnxRuntime();
  const tell = cpuPartTeller();
  const own = { ...sessionOptions, executionProviders: [provider().name] };
  if (tell === null) return create(runtime, model, own);
  return watched(
    (profiling) => create(runtime, model, { ...own, ...profiling }),
    (text) => tell(`${what}: ${text}`),
  );
}

/** Opens a model on the CPU, whatever else computes: for what is small and runs once. */
export async function createCpuSession(
  model: Uint8Array,
  options: InferenceSession.SessionOptions,
): Promise<InferenceSession> {
  return create(await onnxRuntime(), model, { ...sessionOptions, executionProviders: ['cpu'], ...options });
}

/**
 * One of two overloads is taken by the type of what is given. Bytes have no folder: ONNX Runtime would look for files
 * that they name below the working directory.
 */
async function create(
  { InferenceSession: Session }: OnnxRuntime,
  model: Uint8Array | string,
  options: InferenceSession.SessionOptions,
): Promise<InferenceSession> {
  const foreign = typeof model === 'string' ? null : foreignReach(model, new Set());
  if (foreign !== null) throw new Error(foreign);
  return typeof model === 'string' ? Session.create(model, options) : Session.create(model, options);
}

let profiles: string | null = null;
let profileCount = 0;

/** A path that no profile has yet, in a folder that goes with this process. */
function profilePath(): string {
  if (profiles === null) {
    const folder = mkdtempSync(join(tmpdir(), 'stillhouse-profiles-'));
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
    profiles = folder;
  }
  return join(profiles, `session${profileCount++}`);
}

/**
 * Opens a session that profiles its first run, and tells what the CPU computed in it.
 * @param open opens it with these options besides its own
 */
export async function watched(
  open: (profiling: InferenceSession.SessionOptions) => Promise<InferenceSession>,
  tell: TellCpuPart,
): Promise<InferenceSession> {
  const prefix = profilePath();
  const session = await open({ enableProfiling: true, profileFilePrefix: prefix });
  const run = session.run.bind(session) as (...args: unknown[]) => ReturnType<InferenceSession['run']>;
  Reflect.set(session, 'run', async (...args: unknown[]) => {
    Reflect.deleteProperty(session, 'run');
    const results = await run(...args);
    session.endProfiling();
    const text = cpuPart(placedNodes(await takeProfile(prefix)));
    if (text !== null) tell(text);
    return results;
  });
  return session;
}

/** ONNX Runtime adds the time to the name. */
async function takeProfile(prefix: string): Promise<string> {
  const file = (await readdir(dirname(prefix))).find((name) => name.startsWith(`${basename(prefix)}_`));
  if (file === undefined) throw new Error(`onnxruntime wrote no profile ${prefix}`);
  const path = join(dirname(prefix), file);
  const text = await readFile(path, 'utf8');
  await rm(path);
  return text;
}
