/** `stillhouse worker`: one worker of this machine, or one for each of its GPUs, until the coordinator's work is done. */
import { randomUUID } from 'node:crypto';
import { Option } from 'commander';
import { usableCache } from '../shared/cache-folder.js';
import { labelStorage } from '../shared/labels/storage.js';
import type { WorkerTls } from '../shared/tls/certificates.js';
import type { Backend } from '../worker/compute/backends/backend.js';
import type { GpuUse } from '../worker/compute/open/backend-choice.js';
import { trustModels } from '../worker/compute/teachers/formats/trust.js';
import { openPlugins } from './open.js';
import {
  backendOption,
  pluginOption,
  tokenFileOption,
  trustOption,
  type BackendName,
  type PluginFlags,
} from './options.js';
import { say } from './output.js';
import { stop } from './signals.js';
import { thisProgram } from './this-program.js';
import { readToken } from './credentials.js';
import { withWorkerTls, workerTls, type WorkerTlsFlags } from './tls.js';
import { integer, portTaken, positive } from './values.js';
import { action, type Verb } from './verb.js';

interface WorkerFlags extends PluginFlags, WorkerTlsFlags {
  readonly tokenFile?: string;
  readonly backend: BackendName;
  readonly threads: number;
  /** Seconds. */
  readonly wait: number;
  readonly gpu?: boolean;
  readonly role: 'train' | 'label';
}

export const verb: Verb = (program) =>
  withWorkerTls(
    program
      .command('worker')
      .argument('<url>', 'ws://HOST:PORT, or wss://HOST:PORT as the coordinator prints it')
      .description('one worker of this machine')
      .addOption(tokenFileOption()),
  )
    .addOption(backendOption('auto'))
    .option('--threads <n>', 'threads of a CPU device', positive, 1)
    .option('--wait <seconds>', 'how long to do without a coordinator', integer, 600)
    .addOption(new Option('--role <role>', 'train, or label alone').choices(['train', 'label']).default('train'))
    .addOption(pluginOption())
    .option('--gpu', 'refuse to work without a GPU')
    .addOption(trustOption())
    .on('option:trust-models', trustModels)
    .action(action(worker));

async function worker(url: string, flags: WorkerFlags): Promise<number> {
  const { gpusFor, openBackend, openProvider } = await import('../worker/compute/open/backend-choice.js');
  const gpus = gpusFor(flags.backend).map(({ index }) => index);
  if (gpus.length > 1) {
    const { workerPerGpu } = await import('../worker/worker-per-gpu.js');
    return workerPerGpu({ gpus, command: [...thisProgram, ...process.argv.slice(2)], stop, log: say });
  }
  const token = readToken(flags.tokenFile);
  const port = portTaken(url);
  if (port !== null)
    say(`${url}: no port given, so ${port} is taken; ws://HOST:PORT as the coordinator prints it names its own`);
  // A local worker knows by its address how its coordinator shows itself; the environment is meant for others.
  const tls = workerTls(flags, isLocal ? {} : process.env);
  const wishes = { threads: flags.threads, gpuDemanded: flags.gpu === true, warn: say };
  const gpuUse = await openProvider(flags.backend, wishes);
  const backend = await openBackend(flags.backend, wishes);
  const work = flags.role === 'label' ? label : train;
  return work(backend, { url, token, tls, flags, gpuUse });
}

interface Joining {
  readonly url: string;
  readonly token: string | null;
  readonly tls: WorkerTls;
  readonly flags: WorkerFlags;
  readonly gpuUse: GpuUse;
}

/** Whether a coordinator on this machine has started this process and will end it. */
const isLocal = process.env.STILLHOUSE_LOCAL === '1';

async function label(backend: Backend, { url, token, tls, flags, gpuUse }: Joining): Promise<number> {
  const cache = await usableCache();
  const { runLabelWorker } = await import('../worker/labels/label-worker.js');
  return runLabelWorker({
    url,
    token,
    tls,
    cacheFolder: cache,
    storage: labelStorage(cache),
    waitSeconds: flags.wait,
    local: isLocal,
    stop,
    log: say,
    backend: backend.name,
    gpu: backend.gpu,
    gpuUse,
    openTensorFlow: async () => backend.tf,
  });
}

async function train(backend: Backend, { url, token, tls, flags, gpuUse }: Joining): Promise<number> {
  const cache = await usableCache();
  const { computeBackend } = await import('../worker/compute/open/run-models.js');
  const { runWorker } = await import('../worker/worker.js');
  const { openCoordinatorLabels } = await import('../worker/labels/coordinator-labels.js');
  const { labelNumerics } = await import('../worker/labels/label-numerics.js');
  const { CoordinatorClient } = await import('../worker/link/coordinator-client.js');
  return runWorker({
    url,
    token,
    tls,
    cacheFolder: cache,
    threads: flags.threads,
    local: isLocal,
    waitSeconds: flags.wait,
    stop,
    log: say,
    backend: computeBackend(backend, {
      warn: say,
      commandLine: { backend: flags.backend, threads: flags.threads },
      gpuUse,
      plugins: await openPlugins(flags),
      labels: labelStorage(cache),
      sharedLabels: openCoordinatorLabels(new CoordinatorClient({ url, token, tls }), {
        worker: randomUUID(),
        numerics: labelNumerics(backend),
      }),
    }),
  });
}
