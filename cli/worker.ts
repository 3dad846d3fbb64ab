/** `stillhouse worker`: one worker of this machine, or one for each of its GPUs, until the coordinator's work is done. */
import { randomUUID } from 'node:crypto';
import { InvalidArgumentError, Option } from 'commander';
import { takeToldBefore } from '../shared/protocol/ended-before.js';
import { UserError } from '../shared/errors.js';
import { devicesFor, gpuDevice, readDevices, type DeviceWish, type HostDevice } from '../worker/devices/list.js';
import { usableCache } from '../shared/cache-folder.js';
import { labelStorage } from '../shared/labels/storage.js';
import type { WorkerTls } from '../shared/tls/certificates.js';
import type { Backend } from '../worker/compute/backends/backend.js';
import type { GpuUse } from '../worker/compute/open/backend-choice.js';
import { trustModels } from '../worker/compute/teachers/formats/trust.js';
import { openPlugins } from './open.js';
import {
  backendOption,
  memoryFolderOf,
  memoryOption,
  pluginOption,
  tokenFileOption,
  trustOption,
  type BackendName,
  type MemoryFlags,
  type PluginFlags,
} from './options.js';
import { lastLines, say, warn } from './output.js';
import { stopInOrder } from './signals.js';
import { thisProgram } from './this-program.js';
import { readToken } from './credentials.js';
import { withWorkerTls, workerTls, type WorkerTlsFlags } from './tls.js';
import { integer, positive, sayPortsTaken, type Urls } from './values.js';
import { action, type Verb } from './verb.js';

interface WorkerFlags extends PluginFlags, MemoryFlags, WorkerTlsFlags {
  readonly tokenFile?: string;
  readonly backend: BackendName;
  readonly threads: number;
  /** Seconds. */
  readonly wait: number;
  readonly gpu?: boolean;
  readonly devices?: DeviceWish;
  readonly preemptionNotice?: string;
  readonly role: 'train' | 'label';
}

export const verb: Verb = (program) =>
  withWorkerTls(
    program
      .command('worker')
      .argument('<url...>', 'ws://HOST:PORT, or wss://HOST:PORT as the coordinator prints it; further ones in reserve')
      .description('one worker of this machine')
      .addOption(tokenFileOption()),
  )
    .addOption(backendOption('auto'))
    .option('--threads <n>', 'threads of a CPU device', positive, 1)
    .option('--wait <seconds>', 'how long to do without a coordinator', integer, 600)
    .addOption(new Option('--role <role>', 'train, or label alone').choices(['train', 'label']).default('train'))
    .addOption(pluginOption())
    .option('--gpu', 'refuse to work without a GPU')
    .option('--preemption-notice <source>', 'leave when aws, gcp or azure takes the machine away, or this file appears')
    .option('--devices <list>', 'one process each: GPUs by number or UUID (0,2), all, or cpu:N', deviceWish)
    .addOption(memoryOption())
    .addOption(trustOption())
    .on('option:trust-models', trustModels)
    .action(action(worker));

/** @throws InvalidArgumentError for what names no devices */
function deviceWish(text: string): DeviceWish {
  const wish = readDevices(text);
  if (wish === null)
    throw new InvalidArgumentError('all, cpu:N, or numbers or UUIDs of GPUs with commas between were wanted');
  return wish;
}

async function worker(urls: Urls, flags: WorkerFlags): Promise<number> {
  const stop = stopInOrder();
  const isOneOfSeveral = process.env.STILLHOUSE_DEVICE !== undefined;
  const { preemptionNotice: source } = flags;
  // Who has started it watches for all.
  if (source === undefined || isOneOfSeveral) return workUntil(stop, urls, flags);
  const { noticeOf, watchForNotice } = await import('../worker/preemption/watch.js');
  const [leave, watch] = [new AbortController(), new AbortController()];
  const signal = AbortSignal.any([watch.signal, stop]);
  void watchForNotice({ look: noticeOf(source), everyMs: noticeMs, signal, warn }).then((notice) => {
    if (notice !== null) leave.abort(`preempted: ${notice}`);
  });
  try {
    return await workUntil(AbortSignal.any([stop, leave.signal]), urls, flags);
  } finally {
    watch.abort();
  }
}

/** How often a notice of preemption is looked for, in milliseconds: it comes 30 s before the end on some clouds. */
const noticeMs = 2000;

async function workUntil(ending: AbortSignal, urls: Urls, flags: WorkerFlags): Promise<number> {
  // One of several that this host was started for has its device alone.
  const devices = process.env.STILLHOUSE_DEVICE === undefined ? await hostDevices(flags) : null;
  if (devices !== null) return workOn(devices, ending);
  const { openBackend, openProvider } = await import('../worker/compute/open/backend-choice.js');
  const token = readToken(flags.tokenFile);
  sayPortsTaken(urls);
  // A local worker knows by its address how its coordinator shows itself; the environment is meant for others.
  const tls = workerTls(flags, isLocal ? {} : process.env);
  const wishes = { threads: flags.threads, gpuDemanded: flags.gpu === true, warn: say };
  const gpuUse = await openProvider(flags.backend, wishes);
  const backend = await openBackend(flags.backend, wishes);
  const work = flags.role === 'label' ? label : train;
  const [url, ...further] = urls;
  return work(backend, { url, further, token, tls, flags, gpuUse, ending });
}

/** The devices that a process each is started for; null where this process is the only worker. */
async function hostDevices({ devices: wish, backend, gpu }: WorkerFlags): Promise<readonly HostDevice[] | null> {
  const { gpusFor } = await import('../worker/compute/open/backend-choice.js');
  if (wish === undefined) {
    const gpus = gpusFor(backend);
    return gpus.length > 1 ? gpus.map((one) => gpuDevice(one, gpu === true)) : null;
  }
  if (wish.type === 'cpu' && gpu === true)
    throw new UserError(`--devices cpu:${wish.count}: --gpu given beside it; one of the two was wanted`);
  const { visibleGpus } = await import('../worker/compute/backends/gpus.js');
  const { ownCores } = await import('../worker/devices/machine.js');
  return devicesFor(wish, { gpus: visibleGpus(), cores: ownCores() });
}

async function workOn(devices: readonly HostDevice[], ending: AbortSignal): Promise<number> {
  const { workerPerDevice } = await import('../worker/devices/host.js');
  const { gpuFault } = await import('../worker/devices/gpu-faults.js');
  const { findPinning } = await import('../worker/devices/machine.js');
  const pinning = findPinning();
  if (pinning === null && devices.some(({ cores }) => cores !== null))
    warn('taskset is not there: workers are not pinned to their cores');
  const command = [...thisProgram, ...process.argv.slice(2)];
  const log = (line: string, device: string): void => say(line, { from: device, device });
  return workerPerDevice({ devices, command, pinning, stop: ending, log, faultOf: gpuFault });
}

interface Joining {
  readonly url: string;
  readonly further: readonly string[];
  readonly token: string | null;
  readonly tls: WorkerTls;
  readonly flags: WorkerFlags;
  readonly gpuUse: GpuUse;
  /** Aborted when it is to leave. */
  readonly ending: AbortSignal;
}

/** Whether a coordinator on this machine has started this process and will end it. */
const isLocal = process.env.STILLHOUSE_LOCAL === '1';

/** Whether the process that has started this one holds its input: a coordinator's, or a host's of several workers. */
const endsWithParent = isLocal || process.env.STILLHOUSE_DEVICE !== undefined;

async function label(backend: Backend, { url, further, token, tls, flags, gpuUse, ending }: Joining): Promise<number> {
  const cache = await usableCache();
  const { runLabelWorker } = await import('../worker/labels/label-worker.js');
  return runLabelWorker({
    url,
    further,
    token,
    tls,
    cacheFolder: cache,
    storage: labelStorage(cache),
    waitSeconds: flags.wait,
    local: endsWithParent,
    stop: ending,
    log: say,
    backend: backend.name,
    gpu: backend.gpu,
    gpuUse,
    openTensorFlow: backend.openTensorFlow,
  });
}

async function train(backend: Backend, { url, further, token, tls, flags, gpuUse, ending }: Joining): Promise<number> {
  const cache = await usableCache();
  const { computeBackend } = await import('../worker/compute/open/run-models.js');
  const { runWorker } = await import('../worker/worker.js');
  const { openCoordinatorLabels } = await import('../worker/labels/coordinator-labels.js');
  const { labelNumerics } = await import('../worker/labels/label-numerics.js');
  const { CoordinatorClient } = await import('../worker/link/coordinator-client.js');
  return runWorker({
    url,
    further,
    token,
    tls,
    cacheFolder: cache,
    threads: flags.threads,
    local: endsWithParent,
    waitSeconds: flags.wait,
    memoryFolder: memoryFolderOf(flags),
    stop: ending,
    log: (line, place) => say(line, { ...place }),
    lastLines,
    before: takeToldBefore(process.env),
    backend: computeBackend(backend, {
      warn: say,
      commandLine: { backend: flags.backend, threads: flags.threads },
      gpuUse,
      plugins: await openPlugins(flags),
      labels: labelStorage(cache),
      sharedLabels: openCoordinatorLabels(new CoordinatorClient({ url, further, token, tls, movesOn: true }), {
        worker: randomUUID(),
        numerics: labelNumerics(backend),
      }),
    }),
  });
}
