/** A coordinator that only makes labels: no student, no steps, no run folder. It ends when every label is there. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { CredentialSource } from '../../shared/access/credentials.js';
import { exitCodes, UserError } from '../../shared/errors.js';
import type { LabelStorage } from '../../shared/labels/storage.js';
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
  if (options.out !== undefined) await writeLabels(service, options.out, before.samples);
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
    say(`labels: ${kept} of ${samples}, ${Math.round((1000 * (kept - reported.kept)) / (ms - reported.ms))} samples/s`);
    reported = { ms, kept };
  }
}

/** Writes the labels of the first kind as `logits`, with the temperature that they are softened at already. */
async function writeLabels(service: LabelService, out: string, samples: number): Promise<void> {
  const [set] = service.sets;
  if (set === undefined) throw new Error('labels without label sets');
  const temperature = set.form.isDistribution
    ? [{ name: 'temperature', dims: [1], pieces: [Float32Array.of(Number(set.name.slice(2)))] }]
    : [];
  await writeNpz(out, [
    {
      name: 'logits',
      dims: [samples, ...(set.form.positions === undefined ? [] : [set.form.positions]), set.form.classes],
      pieces: sound(service.values(0)),
    },
    ...temperature,
  ]);
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
