/** A coordinator that only makes labels: no student, no steps, no run folder. It ends when every label is there. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { CredentialSource } from '../../shared/access/credentials.js';
import { exitCodes, UserError } from '../../shared/errors.js';
import type { LabelStorage } from '../../shared/labels/storage.js';
import { labelKey, labelKinds } from '../../shared/labels/kinds.js';
import { mixed, type EnsembleLabel } from '../../shared/ensemble/mixture.js';
import { areKept } from '../../shared/labels/sets.js';
import { writeNpz } from './npz-file.js';
import { closeCodes } from '../../shared/protocol/messages.js';
import type { ServerTls } from '../server/secure.js';
import { listen } from '../server/server.js';
import { LabelRequests } from './requests.js';
import { LabelService } from './service.js';
import type { PreparedRun } from '../plan/prepared-run.js';

export interface LabelOnlyOptions {
  readonly listen: { readonly host: string; readonly port: number };
  /** Null: whoever comes may label. */
  readonly credentials: CredentialSource | null;
  /** Null or absent: links are not encrypted. */
  readonly tls?: ServerTls | null | undefined;
  readonly labels: LabelStorage;
  /** Path of an .npz file that the labels are written to as well. */
  readonly out?: string | undefined;
  readonly stopSignal: AbortSignal;
  readonly say: (line: string) => void;
  readonly onListening: (port: number) => void;
  /** Rejects when nobody is left who could label. */
  readonly lost?: Promise<never>;
}

const tickMs = 100;
const reportMs = 5000;

/** @throws UserError 2 when the recipe wants no labels, 75 when asked to stop (what was made is kept) */
export async function makeLabels(
  run: PreparedRun,
  options: LabelOnlyOptions,
): Promise<{ samples: number; made: number }> {
  let fail: (error: unknown) => void = () => undefined;
  const failed = new Promise<never>((_resolve, reject) => {
    fail = reject;
  });
  failed.catch(() => undefined);
  const service = openService(run, options, fail);
  const before = await service.kept();
  if (options.out !== undefined && run.recipe.data.augment !== undefined)
    throw new UserError(
      `--out ${options.out}: data.augment given; samples as they are wanted, for labels that another run can train on`,
    );
  for (const line of await service.lines()) options.say(line);
  if (!(await service.isDone())) await labelAsAsked(run, service, options, { failed, fail });
  if (options.out !== undefined) await writeLabels(run, service, options.out);
  return { samples: before.samples, made: before.samples - before.kept };
}

interface Failing {
  readonly failed: Promise<never>;
  readonly fail: (error: unknown) => void;
}

/** Answers labelling workers until every label is there, or something fails. */
async function labelAsAsked(
  run: PreparedRun,
  service: LabelService,
  options: LabelOnlyOptions,
  { failed, fail }: Failing,
): Promise<void> {
  const server = await listen({
    ...options.listen,
    credentials: options.credentials,
    tls: options.tls,
    onNotice: options.say,
    labels: new LabelRequests(service),
    isReady: () => true,
    onError: fail,
    find: (sha256) => run.artifacts.get(sha256),
    onWorker: (socket) =>
      socket.close(closeCodes.refused, 'only labels are made here: start the worker with --role label'),
  });
  try {
    options.onListening(server.port);
    await Promise.race([untilDone(service, options), failed, ...(options.lost === undefined ? [] : [options.lost])]);
    await service.settle();
  } finally {
    await server.close();
    await service.close();
  }
}

/** @throws UserError 2 when the recipe wants no labels that could be kept */
function openService(
  run: PreparedRun,
  { labels, say }: LabelOnlyOptions,
  onError: (error: unknown) => void,
): LabelService {
  const service = LabelService.open({ run, storage: labels, warn: say, onError });
  if (service !== null) return service;
  if (run.recipe.labels.cache && !areKept(run.recipe))
    throw new UserError(
      'data.augment: views of a fixed number, without mixup, wanted, since labels are made to be kept',
    );
  if (!run.recipe.labels.cache)
    throw new UserError('labels.cache: false given; true wanted, since labels are made to be kept');
  throw new UserError('losses: no term wants soft labels of a teacher; response with a teacher wanted');
}

async function untilDone(service: LabelService, { stopSignal, say }: LabelOnlyOptions): Promise<void> {
  let reported = { ms: performance.now(), kept: (await service.kept()).kept };
  while (!(await service.isDone())) {
    if (stopSignal.aborted)
      throw new UserError(
        `stopped (${String(stopSignal.reason)}); the labels made so far are kept, run the same command again to continue`,
        exitCodes.stopped,
      );
    await sleep(tickMs);
    const ms = performance.now();
    if (ms - reported.ms < reportMs) continue;
    const { kept, samples } = await service.kept();
    say(`labels: ${kept} of ${samples}, ${Math.round((1000 * (kept - reported.kept)) / (ms - reported.ms))} labels/s`);
    reported = { ms, kept };
  }
}

/**
 * Writes the ensemble's label that the recipe's first term on soft labels wants as `logits`, with the temperature that it
 * is softened at already, if it is.
 */
async function writeLabels(run: PreparedRun, service: LabelService, out: string): Promise<void> {
  const [set] = service.sets;
  const [kind] = labelKinds(run.recipe);
  if (set === undefined || kind === undefined) throw new Error('labels without label sets');
  // A temperature that changes in the run is none that labels could be softened at.
  const label: EnsembleLabel = kind.kind === 'teachers' ? { kind: 'logits' } : kind;
  const pieces = set.label.kind === 'teacher' ? mixedBlocks(run, service, label) : sound(service.values(0));
  await writeNpz(out, [
    {
      name: 'logits',
      dims: [
        run.manifest.train.samples,
        ...(set.form.positions === undefined ? [] : [set.form.positions]),
        set.form.classes,
      ],
      pieces,
    },
    ...(label.kind === 'mixture'
      ? [{ name: 'temperature', dims: [1], pieces: [Float32Array.of(label.temperature)] }]
      : []),
  ]);
}

/** The label of each block's samples, mixed of those that are kept by teacher. */
async function* mixedBlocks(
  { recipe: { ensemble }, teachers, manifest: { classes, train }, trainLabels, routes }: PreparedRun,
  service: LabelService,
  label: EnsembleLabel,
): AsyncGenerator<Float32Array> {
  const { positions = 1 } = train;
  const byTeacher = service.sets.map(({ name }, set) => ({ name, blocks: sound(service.values(set)) }));
  let from = 0;
  for (;;) {
    const logits = new Map<string, Float32Array>();
    let rows = 0;
    for (const { name, blocks } of byTeacher) {
      const next = await blocks.next();
      if (next.done === true) return;
      logits.set(name, next.value);
      rows = next.value.length / classes;
    }
    const logitsOf = (teacher: string): Float32Array | undefined => logits.get(labelKey({ kind: 'teacher', teacher }));
    const labels_B = trainLabels.subarray(from, from + rows);
    const routes_B = routes?.of(Uint32Array.from({ length: rows / positions }, (_, i) => from / positions + i));
    const how = { combine: ensemble.combine, classes, teachers, by: ensemble.weights?.by };
    yield mixed(label, logitsOf, { ...how, labels_B, routes_B });
    from += rows;
  }
}

/** The same pieces. @throws UserError 65 for a block whose rows are not all there */
async function* sound(pieces: AsyncIterable<Float32Array | null>): AsyncGenerator<Float32Array> {
  for await (const piece of pieces) {
    if (piece === null)
      throw new UserError(
        'labels: a block was damaged on the disk; run the same command again to make it anew',
        exitCodes.data,
      );
    yield piece;
  }
}
