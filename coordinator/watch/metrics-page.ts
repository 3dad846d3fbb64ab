/**
 * The page of GET /metrics: what a run has counted, in the form that Prometheus reads. Everything is read when the page
 * is asked for; nothing is done for it in between. `runMetrics` is the list of what there is.
 */
import { Counter, Gauge, Registry } from 'prom-client';
import type { RunCounts } from './run-counts.js';
import { workerStates } from './run-status.js';

/** A number with the value of each of the metric's labels, in their order. */
type Sample = readonly [value: number, ...labels: string[]];

interface Metric {
  /** `counter`: it only grows while one coordinator lives, and begins anew with the next. */
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  readonly labels?: readonly string[];
  readonly samples: (counts: RunCounts) => readonly Sample[];
}

const one = (read: (counts: RunCounts) => number | null): Metric['samples'] => {
  return (counts) => {
    const value = read(counts);
    return value === null ? [] : [[value]];
  };
};

const byName = (values: Readonly<Record<string, number>>): Sample[] =>
  Object.entries(values).map(([name, value]) => [value, name]);

/** Every metric by its name. A new one is an entry here, and a line of the dashboard where people want to see it. */
export const runMetrics: Readonly<Record<string, Metric>> = {
  stillhouse_run_info: {
    ...{
      type: 'gauge',
      help: 'Always 1; the labels name the run and its coordinator',
      labels: ['run', 'name', 'generation'],
    },
    samples: ({ status: { run, name, generation } }) => [[1, run, name, String(generation)]],
  },
  stillhouse_workers: {
    ...{ type: 'gauge', help: 'Workers that are connected, by state', labels: ['state'] },
    samples: ({ status: { workers } }) =>
      workerStates.map((state) => [workers.filter((worker) => worker.state === state).length, state]),
  },
  stillhouse_planned_steps: {
    ...{ type: 'gauge', help: 'Training steps that the run has in all' },
    samples: one(({ status }) => status.steps),
  },
  stillhouse_steps_total: {
    ...{ type: 'counter', help: 'Training steps committed, over all of the run' },
    samples: one(({ status }) => status.step),
  },
  stillhouse_samples_total: {
    ...{ type: 'counter', help: 'Training samples committed, over all of the run' },
    samples: one(({ status }) => status.samples),
  },
  stillhouse_epoch: {
    ...{ type: 'gauge', help: 'Epoch of the newest step, counted from 0' },
    samples: one(({ status }) => status.epoch),
  },
  stillhouse_remaining_seconds: {
    ...{ type: 'gauge', help: 'Time until the last step at the present pace; absent while it is not known' },
    samples: one(({ status }) => status.secondsLeft),
  },
  stillhouse_loss: {
    ...{ type: 'gauge', help: 'Loss terms of the newest step, unweighted means over samples', labels: ['term'] },
    samples: ({ status }) => byName(status.terms),
  },
  stillhouse_phase_seconds_total: {
    ...{ type: 'counter', help: 'Time that workers spent on training leases, by phase', labels: ['phase'] },
    samples: ({ phaseSeconds }) => byName(phaseSeconds),
  },
  stillhouse_transferred_bytes_total: {
    ...{ type: 'counter', help: 'Bytes from and to workers', labels: ['direction', 'plane'] },
    samples: ({ bytes }) =>
      Object.entries(bytes).flatMap(([plane, { received, sent }]) => [
        [received, 'received', plane],
        [sent, 'sent', plane],
      ]),
  },
  stillhouse_send_queue_bytes: {
    ...{ type: 'gauge', help: 'Bytes that wait to be taken by the connections of workers' },
    samples: one(({ status: { workers } }) => workers.reduce((sum, { queuedBytes }) => sum + queuedBytes, 0)),
  },
  stillhouse_leases_granted_total: {
    ...{ type: 'counter', help: 'Leases given out' },
    samples: one(({ status: { leases } }) => leases.granted),
  },
  stillhouse_leases_repeated_total: {
    ...{ type: 'counter', help: 'Leases of blocks that had been due at a worker before' },
    samples: one(({ status: { leases } }) => leases.repeated),
  },
  stillhouse_late_leases_total: {
    ...{ type: 'counter', help: 'Times that a worker was late with a block' },
    samples: one(({ lateLeases }) => lateLeases),
  },
  stillhouse_reconnects_total: {
    ...{ type: 'counter', help: 'Workers that came back after their connection had broken' },
    samples: one(({ reconnects }) => reconnects),
  },
  stillhouse_refused_frames_total: {
    ...{ type: 'counter', help: 'Frames of workers that were dropped, by reason', labels: ['reason'] },
    samples: ({ refusedFrames: { brokenRule, noLease, noMatch } }) =>
      byName({ broken_rule: brokenRule, no_lease: noLease, no_match: noMatch }),
  },
  stillhouse_snapshots_total: {
    ...{ type: 'counter', help: 'Snapshots taken' },
    samples: one(({ snapshots }) => snapshots.taken),
  },
  stillhouse_snapshot_seconds: {
    ...{ type: 'gauge', help: 'Time that the newest snapshot took; 0 before the first' },
    samples: one(({ snapshots }) => snapshots.seconds),
  },
  stillhouse_snapshot_age_seconds: {
    ...{ type: 'gauge', help: 'Time since the newest snapshot, or since the start of the coordinator' },
    samples: one(({ snapshots }) => snapshots.ageSeconds),
  },
  stillhouse_labels_wanted: {
    ...{
      type: 'gauge',
      help: 'Labels that the run wants kept: of each sample one for each view and teacher, or mixture',
    },
    samples: one(({ status: { labels } }) => labels?.samples ?? null),
  },
  stillhouse_labels_read_total: {
    ...{ type: 'counter', help: 'Labels that were there when the coordinator started' },
    samples: one(({ labelsRead }) => labelsRead),
  },
  stillhouse_labels_made_total: {
    ...{ type: 'counter', help: 'Labels that were made since then' },
    samples: one(({ status: { labels }, labelsRead }) =>
      labels === null || labelsRead === null ? null : Math.max(0, labels.kept - labelsRead),
    ),
  },
  stillhouse_labels_behind: {
    ...{ type: 'gauge', help: 'Labels that are still to be made' },
    samples: one(({ status: { labels } }) => (labels === null ? null : labels.samples - labels.kept)),
  },
  process_resident_memory_bytes: {
    ...{ type: 'gauge', help: 'Memory of the coordinator' },
    samples: one(({ residentBytes }) => residentBytes),
  },
};

/** The page as text, with its content type. */
export async function metricsPage(counts: RunCounts): Promise<{ readonly contentType: string; readonly text: string }> {
  const registry = new Registry();
  for (const [name, { type, help, labels = [], samples }] of Object.entries(runMetrics)) {
    const options = { name, help, labelNames: [...labels], registers: [registry] };
    const metric = type === 'counter' ? new Counter(options) : new Gauge(options);
    const found = samples(counts);
    // One without labels shows 0 before it is set; what is not known is left out.
    if (found.length === 0 && labels.length === 0) metric.remove();
    for (const [value, ...values] of found)
      metric.inc(Object.fromEntries(labels.map((label, i) => [label, values[i] ?? ''])), value);
  }
  return { contentType: registry.contentType, text: await registry.metrics() };
}
