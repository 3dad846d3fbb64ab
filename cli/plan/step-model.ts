/**
 * How long a step takes on so many workers, as arithmetic on measured speeds. Pure.
 *
 *   compute    a worker loads the weights and computes its micro-batches; of its labels, what the exchange does not hide
 *   upload     contributions come in at the coordinator, over its link or through its one thread
 *   commit     the coordinator reduces and applies
 *   broadcast  the commit goes to all workers, while the log's fsync runs: the longer of the two counts
 *   apply      the workers apply it
 *   other      what the measured run took beside all of that
 *
 * Workers are alike, contributions go through one coordinator, and every worker of a host sends its own.
 */

/** What one worker, one coordinator and their machine take, in milliseconds. */
export interface StepSpeeds {
  /** Labels of a micro-batch by all teachers. */
  readonly labelMs: number;
  /** Student, losses and gradients of a micro-batch. */
  readonly studentMs: number;
  /** Two gradients added. */
  readonly addMs: number;
  /** The weights copied into the student. */
  readonly loadMs: number;
  /** A contribution from a worker to the coordinator of the same machine, and a commit back, once it is applied there. */
  readonly sendMs: number;
  readonly receiveMs: number;
  /** A commit applied by a worker. */
  readonly applyMs: number;
  /** Scalars and hashes of a commit, its application by the coordinator, and log and journal on the disk. */
  readonly commitReduceMs: number;
  readonly commitApplyMs: number;
  readonly fsyncMs: number;
  /** What a step takes beside. */
  readonly otherMs: number;
}

/** What a recipe asks of every step. */
export interface StepShape {
  readonly samples: number;
  readonly microBatches: number;
  /** Bytes of a contribution, and of a commit. */
  readonly bytes: number;
}

/** The machines and their links. */
export interface PlannedCluster {
  readonly hosts: number;
  /** Workers of each host. */
  readonly workersPerHost: number;
  /** Bytes a second of each host's link, and of the coordinator's; null: all on one machine, or nothing is lost on it. */
  readonly hostBytesPerSecond: number | null;
  readonly coordinatorBytesPerSecond: number | null;
  /** One way. */
  readonly latencyMs: number;
  /** How many times longer a worker's computing takes since workers share cores; 1 where each has its own. */
  readonly slowdown: number;
}

export const stepParts = ['compute', 'upload', 'commit', 'fsync', 'broadcast', 'apply', 'other'] as const;
export type StepPart = (typeof stepParts)[number];

export interface StepPrediction {
  readonly workers: number;
  /** Workers that have something to do. */
  readonly busyWorkers: number;
  readonly stepMs: number;
  readonly samplesPerSecond: number;
  /** The share of the step that it would take if the workers computed and did nothing else, from 0 to 1. */
  readonly efficiency: number;
  /** Each part's share of the step; `fsync` or `broadcast`, of which one hides in the other, is 0. */
  readonly parts: Readonly<Record<StepPart, number>>;
  readonly bottleneck: StepPart;
  /** Contributions of a step, and bytes on the coordinator's link. */
  readonly contributions: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export function predictStep(speeds: StepSpeeds, shape: StepShape, cluster: PlannedCluster): StepPrediction {
  const workers = cluster.hosts * cluster.workersPerHost;
  const slow = (ms: number): number => ms * cluster.slowdown;
  const oneUpload = Math.max(speeds.sendMs, linkMs(cluster, 1, shape.bytes));
  const narrowest = Math.sqrt((shape.microBatches * oneUpload) / slow(speeds.studentMs + speeds.addMs));
  const { contributions, perWorker, busyWorkers } = blocksOf(shape.microBatches, workers, narrowest);
  const bytesIn = contributions * shape.bytes;
  const bytesOut = workers * shape.bytes;
  const upload =
    Math.max(contributions * speeds.sendMs, linkMs(cluster, contributions, shape.bytes)) +
    (contributions - 1) * speeds.addMs +
    // An offer, the question for its bytes, the bytes.
    cluster.latencyMs * 3;
  const commit = speeds.commitReduceMs + speeds.commitApplyMs;
  const down = Math.max(workers * speeds.receiveMs, linkMs(cluster, workers, shape.bytes)) + cluster.latencyMs;
  const { fsyncMs: fsync } = speeds;
  const apply = slow(speeds.applyMs) + cluster.latencyMs;
  const exchange = upload + commit + Math.max(fsync, down) + apply;
  const labels = slow(perWorker * speeds.labelMs);
  const compute = slow(speeds.loadMs + perWorker * (speeds.studentMs + speeds.addMs)) + Math.max(0, labels - exchange);
  const parts = {
    compute,
    upload,
    commit,
    fsync: fsync > down ? fsync : 0,
    broadcast: fsync > down ? 0 : down,
    apply,
    other: speeds.otherMs,
  };
  const stepMs = stepParts.reduce((sum, part) => sum + parts[part], 0);
  const idealMs = (shape.microBatches * (speeds.studentMs + speeds.labelMs)) / workers;
  return {
    ...{ workers, busyWorkers, stepMs, parts, contributions, bytesIn, bytesOut },
    samplesPerSecond: (shape.samples / stepMs) * 1000,
    efficiency: Math.min(1, idealMs / stepMs),
    bottleneck: stepParts.reduce((most, part) => (parts[part] > parts[most] ? part : most)),
  };
}

/** Milliseconds that so many pieces take over the coordinator's link, or over that of a host which has its share of them. */
function linkMs(
  { hosts, hostBytesPerSecond, coordinatorBytesPerSecond }: PlannedCluster,
  pieces: number,
  bytes: number,
): number {
  const over = (count: number, rate: number | null): number => (rate === null ? 0 : ((count * bytes) / rate) * 1000);
  return Math.max(over(pieces, coordinatorBytesPerSecond), over(Math.ceil(pieces / hosts), hostBytesPerSecond));
}

/**
 * The aligned blocks that a step is leased in: as big as an equal share allows, so that most gradients are added where
 * they are made, and not narrower than what makes their uploads worth their while (coordinator/decide/sizing.ts).
 */
function blocksOf(
  microBatches: number,
  workers: number,
  narrowest: number,
): { contributions: number; perWorker: number; busyWorkers: number } {
  const block = 2 ** Math.ceil(Math.log2(Math.ceil(microBatches / workers)));
  const fair = Math.ceil(microBatches / workers);
  const equal = block > fair && microBatches > block ? block / 2 : block;
  const worthwhile = 2 ** Math.floor(Math.log2(Math.max(1, Math.min(narrowest, microBatches))));
  const size = Math.max(equal, worthwhile);
  const contributions = Math.ceil(microBatches / size);
  const perWorker = Math.min(microBatches, Math.ceil(contributions / workers) * size);
  return { contributions, perWorker, busyWorkers: Math.min(workers, contributions) };
}
