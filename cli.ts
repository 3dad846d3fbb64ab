#!/usr/bin/env node
/**
 * The verbs: the one place that knows both sides. Reads the command line, opens what a verb needs (heavy modules are
 * imported by the verb that uses them), prints results to stdout and talk to stderr, and turns errors into exit codes.
 */
import { onSnapshotWanted, stop } from './cli/signals.js';
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError, Option } from 'commander';
import type { Summary } from './coordinator/reports/summary.js';
import type { LocalWorkers } from './coordinator/workers/local-workers.js';
import type { PreparedRun } from './coordinator/plan/prepared-run.js';
import type { TableRow } from './coordinator/reports/table.js';
import {
  collect,
  integer,
  joinLine,
  joinToken,
  listenAddress,
  newToken,
  positive,
  readToken,
  type Address,
} from './cli/values.js';
import { codeOf, exitCodes, storageProblem, UserError } from './shared/errors.js';
import { labelHome } from './shared/labels/home.js';
import type { InstalledPlugins } from './shared/recipe/plugins.js';
import type { ReadRecipe } from './shared/recipe/read.js';
import type { Recipe } from './shared/recipe/schema.js';
import type { TensorFlow } from './worker/compute/backends/backend.js';
import { cacheFolder } from './shared/cache-folder.js';

type BackendName = 'auto' | 'wasm' | 'native';

interface RecipeFlags {
  readonly plugin?: string[];
  readonly set: string[];
  readonly seed?: number;
}

interface RunFlags extends RecipeFlags {
  readonly out?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly force?: boolean;
  readonly resume?: boolean;
  readonly workers?: number;
  readonly labelWorkers?: number;
  readonly backend?: BackendName;
}

interface CoordinatorFlags extends RunFlags {
  readonly listen: Address;
  readonly tokenFile?: string;
  readonly insecure?: boolean;
  readonly expect?: number;
}

interface LabelFlags extends RunFlags {
  readonly listen?: Address;
  readonly tokenFile?: string;
  readonly insecure?: boolean;
}

const say = (line: string): void => void process.stderr.write(`${line}\n`);
const print = (line: string): void => void process.stdout.write(`${line}\n`);

/** Reads a recipe and says which of its files are missing. */
async function openRecipe(file: string, flags: RecipeFlags): Promise<ReadRecipe> {
  const { checkFiles } = await import('./shared/recipe/missing-files.js');
  const read = await openRecipeAlone(file, flags);
  await checkFiles(read, resolve(dirname(file)));
  return read;
}

async function openRecipeAlone(file: string, flags: RecipeFlags): Promise<ReadRecipe> {
  const { readRecipe } = await import('./shared/recipe/read.js');
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new UserError(`${file}: cannot be read; a recipe was wanted`, exitCodes.usage, error);
  }
  return readRecipe(text, { file, set: flags.set, seed: flags.seed });
}

/** Reads data and models, and checks that they fit the recipe. */
async function prepare(
  recipe: Recipe,
  name: string,
  recipeFolder: string,
  plugins: InstalledPlugins,
): Promise<PreparedRun> {
  const { prepareRun } = await import('./cli/prepare/prepare.js');
  const { inspectStudent } = await import('./cli/prepare/student.js');
  const { inspectTeacher } = await import('./cli/prepare/teacher.js');
  const { planTaps, teacherTaps } = await import('./cli/prepare/taps.js');
  const { writeShards } = await import('./cli/prepare/shards.js');
  const { epochOrder } = await import('./shared/data/sampler.js');
  const warn = (text: string): void => say(`warning: ${text}`);
  const openTensorFlow = async (): Promise<TensorFlow> =>
    (await (await import('./worker/compute/backends/wasm/wasm.js')).openWasm()).tf;
  const openNative = async (teacher: string): Promise<TensorFlow> => {
    if (recipe.numerics.backend === 'wasm')
      throw new UserError(`numerics.backend: wasm given; teacher ${teacher} is a SavedModel, so auto or native wanted`);
    return (
      await (
        await import('./worker/compute/open/backend-choice.js')
      ).openBackend('native', { threads: recipe.numerics.threads, gpuDemanded: false })
    ).tf;
  };
  return prepareRun({
    recipe,
    recipeFolder,
    name,
    shardFolder: join(cacheFolder(), 'artifacts'),
    plugins,
    warn,
    tools: {
      inspectStudent: async (student, folder, expected) => {
        const inspected = await inspectStudent(student, folder, { ...expected, openTensorFlow });
        inspected.warnings.forEach(warn);
        return inspected;
      },
      inspectTeacher: (teacher, folder, expected, whole) =>
        inspectTeacher(teacher, folder, {
          ...expected,
          openTensorFlow,
          openNative: () => openNative(teacher.name),
          taps: teacherTaps(whole, teacher.name),
        }),
      planTaps: (whole, student, teachers) => planTaps({ recipe: whole, student, teachers, openTensorFlow }),
      writeShards,
      epochOrder,
    },
  });
}

/** Of this machine: those of the command line and of the folder that the environment names. */
async function plugins({ plugin = [] }: Pick<RecipeFlags, 'plugin'>): Promise<InstalledPlugins> {
  const { installedPlugins } = await import('./shared/recipe/plugins.js');
  return installedPlugins(
    plugin.map((file) => resolve(file)),
    process.env.STILLHOUSE_PLUGINS,
  );
}

interface Session {
  readonly run: PreparedRun;
  readonly out: string;
  readonly address: Address;
  readonly token: string | null;
  readonly flags: RunFlags;
  /** Workers that the first lease waits for. */
  readonly expected?: number | undefined;
  readonly onListening: (port: number) => void;
}

/** The baseline, if the recipe wants one, then the run itself, on one address. */
async function coordinateAll(session: Session): Promise<Summary> {
  const { run, out, flags, token } = session;
  const { coordinate } = await import('./coordinator/coordinator.js');
  const { createReporter } = await import('./coordinator/reports/outputs/terminal.js');
  const { exportStudent } = await import('./worker/tools/export/export-student.js');
  const { baselineRecipe } = await import('./cli/prepare/prepare.js');
  let address = session.address;
  const common = (title: string): Omit<Parameters<typeof coordinate>[1], 'out' | 'next'> => {
    if (flags.quiet !== true) say(title);
    return {
      listen: address,
      token,
      labels: labelHome(cacheFolder()),
      force: flags.force,
      expected: session.expected,
      stopSignal: stop,
      onSnapshotWanted,
      reporter: createReporter({ stream: process.stderr, quiet: flags.quiet === true }),
      exportStudent: async (spec, weights, folder) => void (await exportStudent(spec, weights, folder)),
      onListening: (port) => {
        address = { ...address, port };
        session.onListening(port);
      },
    };
  };
  if (!run.recipe.baseline)
    return coordinate(run, { ...common(`distilling ${run.name} into ${out}`), out, next: false });
  const alone = await prepare(baselineRecipe(run), `${run.name}-baseline`, run.recipeFolder, new Map());
  const folder = join(out, 'baseline');
  const first = await coordinate(alone, {
    ...common(`training the student alone (baseline) into ${folder}`),
    out: folder,
    next: true,
  });
  const baseline = { ...first.student, digest: first.digest, folder: 'baseline' };
  return coordinate(run, { ...common(`distilling ${run.name} into ${out}`), out, next: false, baseline });
}

function tableRows(run: PreparedRun, summary: Summary): TableRow[] {
  const row = (name: string, { parameters, ...figures }: { parameters?: number } & TableRow['figures']): TableRow => ({
    name,
    parameters,
    figures,
  });
  return [
    ...(summary.baseline === undefined ? [] : [row('student alone', summary.baseline)]),
    row(run.teachers.length > 0 ? 'student, distilled' : 'student', summary.student),
    ...Object.entries(summary.student.exits ?? {}).map(([name, accuracy]) => row(`  at ${name}`, { accuracy })),
    ...summary.teachers.map((teacher) => row(`teacher ${teacher.name}`, teacher)),
    ...(summary.ensemble === undefined || summary.teachers.length < 2 ? [] : [row('ensemble', summary.ensemble)]),
  ];
}

async function showResults(run: PreparedRun, summary: Summary, out: string, flags: RunFlags): Promise<void> {
  if (flags.json === true) {
    print(JSON.stringify(summary));
    return;
  }
  const { resultTable } = await import('./coordinator/reports/table.js');
  print(`\n${resultTable(tableRows(run, summary))}\n`);
  print(
    `${summary.steps} steps, ${summary.samples} samples in ${summary.seconds.toFixed(1)} s; weights ${summary.digest.slice(0, 16)}`,
  );
  print(`The student lies in ${join(out, 'student')}: model.json and weights.bin (tfjs), student.safetensors.`);
  print(
    `Use it:  tf.loadLayersModel('file://${join(out, 'student', 'model.json')}')   or   stillhouse export ${out} --format safetensors --out FOLDER`,
  );
}

async function start(file: string, flags: RunFlags): Promise<{ run: PreparedRun; out: string }> {
  const { recipe, warnings } = await openRecipe(file, flags);
  const { describeLosses } = await import('./shared/recipe/check.js');
  const { resolveRunFolder } = await import('./coordinator/store/run-folder.js');
  const { identityOf } = await import('./coordinator/store/resolved-recipe.js');
  for (const warning of warnings) say(`warning: ${warning}`);
  const run = await prepare(recipe, recipe.name, resolve(dirname(file)), await plugins(flags));
  if (flags.quiet !== true) for (const line of describeLosses(run.recipe)) say(line);
  return {
    run,
    out: await resolveRunFolder(flags.out ?? join('runs', recipe.name), identityOf(run), {
      force: flags.force,
      resume: flags.resume,
    }),
  };
}

/**
 * How to start the local workers of a run, once there is a port: one for each GPU, else for each core, where the flags
 * do not say.
 */
async function localWorkers(
  run: PreparedRun,
  flags: RunFlags,
  token: string,
  role: 'train' | 'label' = 'train',
): Promise<(port: number) => LocalWorkers> {
  const { LocalWorkers } = await import('./coordinator/workers/local-workers.js');
  const { visibleGpus } = await import('./worker/compute/backends/gpus.js');
  const backend = flags.backend ?? run.recipe.numerics.backend;
  const gpus = backend === 'wasm' ? [] : visibleGpus();
  const count =
    flags.workers ??
    (gpus.length > 0 ? gpus.length : Math.max(1, Math.floor(availableParallelism() / run.recipe.numerics.threads)));
  return (port) =>
    new LocalWorkers({
      command: [process.execPath, ...process.execArgv, fileURLToPath(import.meta.url)],
      url: `ws://127.0.0.1:${port}`,
      token,
      count,
      arguments: [
        '--backend',
        backend,
        '--threads',
        String(run.recipe.numerics.threads),
        '--role',
        role,
        ...(flags.plugin ?? []).flatMap((file) => ['--plugin', resolve(file)]),
      ],
      environment: (i) =>
        gpus.length === 0 ? {} : { CUDA_VISIBLE_DEVICES: String(gpus[i % gpus.length]?.index ?? i) },
      onLine: (line) => (flags.quiet === true ? undefined : say(line)),
    });
}

async function runVerb(file: string, flags: RunFlags): Promise<number> {
  const { run, out } = await start(file, flags);
  await showResults(run, await runLocally(run, out, flags), out, flags);
  return exitCodes.done;
}

/** A run by workers of this machine, to the end. */
async function runLocally(run: PreparedRun, out: string, flags: RunFlags): Promise<Summary> {
  const token = newToken();
  const startWorkers = await localWorkers(run, flags, token);
  const startLabellers =
    flags.labelWorkers === undefined
      ? null
      : await localWorkers(run, { ...flags, workers: flags.labelWorkers }, token, 'label');
  if (run.recipe.labels.wait && startLabellers === null)
    throw new UserError(
      'labels.wait: true given; somebody to make the labels was wanted: run --label-workers N, or a coordinator that they join',
    );
  let labellers: LocalWorkers | undefined;
  let workers: LocalWorkers | undefined;
  let fail: (error: Error) => void = () => undefined;
  const lost = new Promise<never>((_, reject) => {
    fail = reject;
  });
  lost.catch(() => undefined);
  const onListening = (port: number): void => {
    if (workers !== undefined) return;
    workers = startWorkers(port);
    labellers = startLabellers?.(port);
    workers.whenLost().catch(fail);
  };
  try {
    const summary = await Promise.race([
      coordinateAll({ run, out, address: { host: '127.0.0.1', port: 0 }, token, flags, onListening }),
      lost,
    ]);
    await Promise.all([workers?.close(5000), labellers?.close(5000)]);
    return summary;
  } finally {
    await Promise.all([workers?.close(2000), labellers?.close(2000)]);
  }
}

/** Runs alone and distilled for each seed, and tells what they say together. Started again, it goes on where it was. */
async function compareVerb(file: string, flags: RunFlags & { readonly seeds: number }): Promise<number> {
  const { compareSeeds, comparisonText } = await import('./coordinator/reports/compare.js');
  const { readSummary } = await import('./coordinator/coordinator.js');
  const { isFinished } = await import('./coordinator/store/run-folder.js');
  const wanted = { ...flags, set: [...flags.set, 'baseline=true'] };
  const { recipe } = await openRecipe(file, wanted);
  const { taskOf, isTold } = await import('./shared/task.js');
  if (recipe.data.eval === undefined || !isTold(taskOf(recipe), recipe.data.eval))
    throw new UserError(`${file}: data.eval: no labels; an evaluation set with labels wanted, to compare by`);
  const comparison = await compareSeeds({
    firstSeed: recipe.seed,
    seeds: flags.seeds,
    out: flags.out ?? join('runs', `${recipe.name}-compare`),
    run: async (seed, folder) => {
      const { run, out } = await start(file, { ...wanted, seed, out: folder });
      if (flags.quiet !== true) say(`seed ${seed} (${seed - recipe.seed + 1} of ${flags.seeds})`);
      return (await isFinished(folder)) ? readSummary(folder, run.recipeDigest) : runLocally(run, out, wanted);
    },
  });
  print(flags.json === true ? JSON.stringify(comparison) : comparisonText(comparison));
  return exitCodes.done;
}

/** Makes a recipe's labels and nothing else: by local workers, or with --listen by those that join. */
async function labelVerb(file: string, flags: LabelFlags): Promise<number> {
  const { makeLabels } = await import('./coordinator/labels/label-only.js');
  const { recipe } = await openRecipe(file, flags);
  if (flags.out !== undefined && !flags.out.endsWith('.npz'))
    throw new UserError(`--out ${flags.out}: a name that ends in .npz was wanted`);
  const run = await prepare(recipe, recipe.name, resolve(dirname(file)), await plugins(flags));
  const { listen } = flags;
  const token = listen === undefined ? newToken() : joinToken({ ...flags, listen }, say);
  const startWorkers =
    listen === undefined || flags.workers !== undefined ? await localWorkers(run, flags, token ?? '', 'label') : null;
  let workers: LocalWorkers | undefined;
  let fail: (error: Error) => void = () => undefined;
  const lost = new Promise<never>((_, reject) => {
    fail = reject;
  });
  lost.catch(() => undefined);
  const onListening = (port: number): void => {
    if (listen !== undefined) say(joinLine(listen.host, port, token, ' --role label'));
    workers = startWorkers?.(port);
    workers?.whenLost().catch(fail);
  };
  try {
    const { samples, made } = await makeLabels(run, {
      listen: listen ?? { host: '127.0.0.1', port: 0 },
      token,
      labels: labelHome(cacheFolder()),
      out: flags.out,
      stopSignal: stop,
      say: (line) => (flags.quiet === true ? undefined : say(line)),
      onListening,
      lost,
    });
    await workers?.close(5000);
    print(
      `labels: ${samples} of ${samples}, ${made} of them made now${flags.out === undefined ? '' : `; written to ${flags.out}`}`,
    );
    return exitCodes.done;
  } finally {
    await workers?.close(2000);
  }
}

async function coordinatorVerb(file: string, flags: CoordinatorFlags): Promise<number> {
  const token = joinToken(flags, say);
  const { run, out } = await start(file, flags);
  let isAnnounced = false;
  const summary = await coordinateAll({
    run,
    out,
    address: flags.listen,
    token,
    flags,
    expected: flags.expect,
    onListening: (port) => {
      if (isAnnounced) return;
      isAnnounced = true;
      say(joinLine(flags.listen.host, port, token));
    },
  });
  await showResults(run, summary, out, flags);
  return exitCodes.done;
}

interface WorkerFlags {
  readonly tokenFile?: string;
  readonly backend: BackendName;
  readonly threads: number;
  readonly wait: number;
  readonly gpu?: boolean;
  readonly role: 'train' | 'label';
  readonly plugin?: string[];
}

async function workerVerb(url: string, flags: WorkerFlags): Promise<number> {
  const { openBackend } = await import('./worker/compute/open/backend-choice.js');
  const { computeBackend } = await import('./worker/compute/open/run-models.js');
  const { runWorker } = await import('./worker/worker.js');
  const { openCoordinatorLabels } = await import('./worker/labels/coordinator-labels.js');
  const { coordinatorAddress } = await import('./worker/link/address.js');
  const { visibleGpus } = await import('./worker/compute/backends/gpus.js');
  const { workerPerGpu } = await import('./worker/worker-per-gpu.js');
  const gpus = flags.backend === 'wasm' ? [] : visibleGpus().map(({ index }) => index);
  const command = [process.execPath, ...process.execArgv, fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  if (gpus.length > 1) return workerPerGpu({ gpus, command, stop, log: say });
  const token = readToken(flags.tokenFile);
  const backend = await openBackend(flags.backend, { threads: flags.threads, gpuDemanded: flags.gpu === true });
  if (flags.role === 'label') {
    const { runLabelWorker } = await import('./worker/labels/label-worker.js');
    return runLabelWorker({
      url,
      token,
      cacheFolder: cacheFolder(),
      home: labelHome(cacheFolder()),
      waitSeconds: flags.wait,
      local: process.env.STILLHOUSE_LOCAL === '1',
      stop,
      log: say,
      backend: backend.name,
      openTensorFlow: async () => backend.tf,
    });
  }
  return runWorker({
    url,
    token,
    cacheFolder: cacheFolder(),
    threads: flags.threads,
    local: process.env.STILLHOUSE_LOCAL === '1',
    waitSeconds: flags.wait,
    stop,
    log: say,
    backend: computeBackend(backend, {
      warn: say,
      plugins: await plugins(flags),
      labels: labelHome(cacheFolder()),
      sharedLabels: openCoordinatorLabels({ address: coordinatorAddress(url).labels, token }),
    }),
  });
}

async function validateVerb(file: string, flags: RecipeFlags): Promise<number> {
  const { recipe, warnings } = await openRecipe(file, flags);
  const { describeLosses } = await import('./shared/recipe/check.js');
  const { microBatchCount } = await import('./shared/replica/reduction/tree.js');
  const { taskOf, widthText } = await import('./shared/task.js');
  for (const warning of warnings) say(`warning: ${warning}`);
  const run = await prepare(recipe, recipe.name, resolve(dirname(file)), await plugins(flags));
  const { planReplica } = await import('./shared/replica/plan.js');
  const { contributionBytes } = await import('./shared/replica/reduction/contribution.js');
  const plan = planReplica(run.student, recipe.optimizer, recipe.compression);
  const m = microBatchCount(recipe.batch.size, recipe.batch.micro ?? recipe.batch.size);
  for (const line of describeLosses(run.recipe)) print(line);
  print(
    `student: ${plan.trained.reduce((sum, { size }) => sum + size, 0)} trained parameters; state ${plan.stateBytes} bytes on each replica`,
  );
  print(`gradients: ${contributionBytes(plan)} bytes a contribution (compression: ${recipe.compression})`);
  print(
    `data: ${run.manifest.train.samples} samples of [${run.manifest.train.shape.join(', ')}], ${widthText(taskOf(recipe), run.manifest.classes)}`,
  );
  print(`M = ${m} micro-batches a step: at most ${m} workers can work on one`);
  if (m < 4)
    say(
      `warning: fewer than four micro-batches for even one worker: choose a smaller batch.micro (now ${recipe.batch.micro ?? recipe.batch.size})`,
    );
  print(`${file}: valid`);
  return exitCodes.done;
}

async function initVerb(file: string): Promise<number> {
  const { starterRecipe } = await import('./cli/starter.js');
  try {
    writeFileSync(file, starterRecipe, { flag: 'wx' });
  } catch (error) {
    throw new UserError(
      `init ${file}: cannot be written (${codeOf(error)}); a new file in a folder that is there was wanted`,
      exitCodes.usage,
      error,
    );
  }
  print(`${file}: written. Name your teacher and your data in it, then: stillhouse validate ${file}`);
  return exitCodes.done;
}

async function doctorVerb(flags: { json?: boolean }): Promise<number> {
  const { diagnose, formatChecks } = await import('./worker/tools/doctor.js');
  const checks = await diagnose();
  print(flags.json === true ? JSON.stringify(checks) : formatChecks(checks));
  return checks.some(({ state }) => state === 'fail') ? exitCodes.unavailable : exitCodes.done;
}

async function installVerb(
  flavour: string,
  flags: { wheel?: string; mirror?: string; force?: boolean },
): Promise<number> {
  const { installBackend } = await import('./worker/tools/install/install.js');
  if (flavour !== 'cpu' && flavour !== 'cuda')
    throw new UserError(`backend install ${flavour}: cpu or cuda was wanted`);
  const report = await installBackend({
    flavour,
    wheel: flags.wheel,
    mirror: flags.mirror,
    force: flags.force === true,
  });
  print(
    `${flavour}: ${report.isNew ? 'installed' : 'was installed already'} in ${report.folder}; a trial operation works. --backend auto takes it from now on.`,
  );
  return exitCodes.done;
}

async function exportVerb(folder: string, flags: { format: string; out?: string }): Promise<number> {
  const { exportFormats } = await import('./worker/tools/export/export-student.js');
  const formats = flags.format
    .split(',')
    .map((name) => exportFormats.find((format) => format === name) ?? refuseFormat(name, exportFormats));
  const { exportRun } = await import('./worker/tools/export/export-run.js');
  const { writeModelCard } = await import('./coordinator/reports/model-card.js');
  const out = flags.out ?? join(folder, 'export');
  for (const path of await exportRun(folder, out, formats)) print(path);
  print(await writeModelCard(folder, out));
  return exitCodes.done;
}

function refuseFormat(name: string, known: readonly string[]): never {
  throw new UserError(`--format ${name}: one of ${known.join(', ')} was wanted`);
}

async function evalVerb(
  model: string,
  flags: RecipeFlags & { data: string; teacher?: string; against?: string; json?: boolean },
): Promise<number> {
  const { recipe } = await openRecipeAlone(flags.data, flags);
  const { evaluateModel, evaluationText } = await import('./cli/evaluate/evaluate-model.js');
  const report = await evaluateModel({
    model,
    teacher: flags.teacher,
    against: flags.against,
    recipe,
    recipeFolder: resolve(dirname(flags.data)),
  });
  print(flags.json === true ? JSON.stringify(report) : evaluationText(basename(model), report, recipe.data.classNames));
  return exitCodes.done;
}

async function verifyVerb(folder: string, flags: { json?: boolean }): Promise<number> {
  const { verifiedText, verifyRun } = await import('./coordinator/verify/verify.js');
  const verified = await verifyRun(folder);
  print(flags.json === true ? JSON.stringify(verified) : verifiedText(verified));
  return verified.isSound ? exitCodes.done : exitCodes.data;
}

function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return version;
}

function program(done: (code: number) => void): Command {
  const root = new Command('stillhouse')
    .description('Distil many teachers into one student, on many machines at once.')
    .version(packageVersion());
  root.exitOverride().showHelpAfterError('(stillhouse --help lists the verbs)');
  const verb =
    <A extends unknown[]>(run: (...args: A) => Promise<number>) =>
    async (...args: A): Promise<void> =>
      done(await run(...args));
  const withRecipe = (command: Command): Command =>
    command
      .option('--set <key.path=value>', 'change one key of the recipe; may be repeated', collect, [])
      .option('--seed <n>', "the seed, instead of the recipe's", integer);
  const plugin = (): Option =>
    new Option(
      '--plugin <file>',
      'a loss plug-in that is installed here; may be repeated (else the folder STILLHOUSE_PLUGINS)',
    )
      .argParser(collect)
      .default([]);
  const withRun = (command: Command): Command =>
    withRecipe(command)
      .addOption(plugin())
      .option('--out <dir>', 'the run folder (default runs/NAME)')
      .option('--json', 'results as JSON')
      .option('--quiet', 'no progress');
  const withFolder = (command: Command): Command =>
    withRun(command)
      .option('--resume', 'refuse to begin: there must be a run to continue')
      .option('--force', 'continue an unfinished run with another recipe');
  const backend = (otherwise?: BackendName): Option => {
    const option = new Option('--backend <name>', 'what to compute with').choices(['auto', 'wasm', 'native']);
    return otherwise === undefined ? option : option.default(otherwise);
  };
  withFolder(root.command('run').argument('<recipe>').description('coordinator and local workers, to the end'))
    .option('--workers <n>', 'local workers (default: one per GPU, else one per core)', positive)
    .option('--label-workers <n>', 'local workers beside them that only label', positive)
    .addOption(backend())
    .action(verb(runVerb));
  withFolder(root.command('coordinator').argument('<recipe>').description('the coordinator alone'))
    .requiredOption('--listen <host:port>', 'where workers connect', listenAddress)
    .option('--token-file <file>', 'the join token (else STILLHOUSE_TOKEN)')
    .option('--insecure', 'no token beyond loopback')
    .option('--expect <n>', 'begin when so many workers are ready', positive)
    .action(verb(coordinatorVerb));
  withRun(
    root
      .command('compare')
      .argument('<recipe>')
      .description('student alone against student distilled, over several seeds'),
  )
    .option('--seeds <n>', "how many, from the recipe's on", positive, 5)
    .option('--workers <n>', 'local workers', positive)
    .addOption(backend())
    .action(verb(compareVerb));
  withRun(root.command('label').argument('<recipe>').description("make a recipe's soft labels and nothing else"))
    .option('--listen <host:port>', 'let label workers join there, instead of local ones', listenAddress)
    .option('--token-file <file>', 'the join token (else STILLHOUSE_TOKEN)')
    .option('--insecure', 'no token beyond loopback')
    .option('--workers <n>', 'local workers', positive)
    .addOption(backend())
    .action(verb(labelVerb));
  root
    .command('worker')
    .argument('<url>', 'ws://HOST:PORT')
    .description('one worker of this machine')
    .option('--token-file <file>', 'the join token (else STILLHOUSE_TOKEN)')
    .addOption(backend('auto'))
    .option('--threads <n>', 'threads of a CPU device', positive, 1)
    .option('--wait <seconds>', 'how long to do without a coordinator', integer, 600)
    .addOption(new Option('--role <role>', 'train, or label alone').choices(['train', 'label']).default('train'))
    .addOption(plugin())
    .option('--gpu', 'refuse to work without a GPU')
    .action(verb(workerVerb));
  withRecipe(
    root
      .command('eval')
      .argument('<model>', 'run folder, model.json or .onnx')
      .description('how good a model is')
      .requiredOption('--data <recipe>', 'the recipe whose evaluation set and preprocessing to use')
      .option('--teacher <model>', 'also its agreement with this model')
      .option('--against <model>', 'also which of the two is better, sample by sample')
      .option('--json'),
  ).action(verb(evalVerb));
  root
    .command('export')
    .argument('<run>', 'run folder')
    .description('the student in a form that others load')
    .option('--format <names>', 'tfjs, safetensors, onnx', 'tfjs,safetensors')
    .option('--out <dir>', 'where to (default RUN/export)')
    .action(verb(exportVerb));
  root
    .command('verify')
    .argument('<run>', 'run folder')
    .description("check a run's accounts against each other")
    .option('--json')
    .action(verb(verifyVerb));
  withRecipe(root.command('validate').argument('<recipe>').description('check a recipe, its data and its models'))
    .addOption(plugin())
    .action(verb(validateVerb));
  root
    .command('init')
    .argument('[file]', 'a new recipe', 'recipe.yaml')
    .description('write a starter recipe')
    .action(verb(initVerb));
  root.command('doctor').description('what this machine can do').option('--json').action(verb(doctorVerb));
  root
    .command('backend')
    .description('native backends')
    .command('install')
    .argument('<flavour>', 'cpu or cuda')
    .option('--wheel <file>', 'a TensorFlow wheel on this disk')
    .option('--mirror <url>', "a Python package index, or the wheel's address")
    .option('--force', 'install again')
    .action(verb(installVerb));
  root
    .command('token')
    .description('make a join token')
    .action(
      verb(async () => {
        print(newToken());
        return exitCodes.done;
      }),
    );
  return root;
}

/** One line for what the user can mend; the stack for a bug. */
function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  if (error instanceof UserError) {
    say(`stillhouse: ${error.message}`);
    return error.exitCode;
  }
  const problem = storageProblem(error);
  if (problem !== null) {
    say(`stillhouse: ${error instanceof Error ? error.message : ''}: ${problem}`);
    return exitCodes.unavailable;
  }
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return exitCodes.bug;
}

let code: number = exitCodes.done;
try {
  await program((ended) => {
    code = ended;
  }).parseAsync();
} catch (error) {
  code = exitCodeOf(error);
}
process.exit(code);
