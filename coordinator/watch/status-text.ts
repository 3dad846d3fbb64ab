/** The status of a run as text for people. Pure. */
import type { FolderStatus } from './folder-status.js';
import { termsText } from '../reports/outputs/lines.js';
import type { RunStatus, WorkerStatus } from './run-status.js';
import { alignedLine, columnWidths } from '../reports/text-table.js';

/** A run at work: where it stands, how fast it is, and a line for each worker. */
export function statusText(status: RunStatus): string {
  const { name, run, generation, state, step, steps, epoch, epochs, leases, labels, workers } = status;
  return [
    `${name}: ${state} (run ${run}, coordinator ${generation})`,
    `step ${step} of ${steps}, epoch ${epoch + 1} of ${epochs}, ${rateText(status)}`,
    termsText(status.terms),
    `leases: ${leases.granted} granted, ${leases.repeated} repeated, ${leases.refused} refused`,
    ...(labels === null ? [] : [`labels: ${labels.kept} of ${labels.samples}`]),
    ...(workers.length === 0 ? ['no worker is here'] : workerTable(workers)),
    ...failureLines(status),
  ].join('\n');
}

function failureLines({ firstFailure }: RunStatus): string[] {
  if (firstFailure === null) return [];
  const { worker, host, code, reason, lines } = firstFailure;
  return [`the first to fail was ${worker} (${host}), with ${code}: ${reason}`, ...lines.map((line) => `  ${line}`)];
}

function rateText({ samples, samplesPerSecond, secondsLeft }: RunStatus): string {
  const left = secondsLeft === null ? '' : `, about ${durationText(secondsLeft)} left`;
  return `${samples} samples, ${Math.round(samplesPerSecond)} samples/s${left}`;
}

/** Seconds as the two largest units that they have. */
export function durationText(seconds: number): string {
  const whole = Math.ceil(seconds);
  const [days, hours, minutes] = [
    Math.floor(whole / 86_400),
    Math.floor(whole / 3600) % 24,
    Math.floor(whole / 60) % 60,
  ];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${whole % 60} s` : `${whole} s`;
}

const columns = [
  'worker',
  'host',
  'device',
  'numerics',
  'state',
  'lease',
  'plane',
  'heard',
  'queued',
  'samples',
] as const;
/** Columns of numbers stand at the right. */
const leftColumns = 7;

function workerTable(workers: readonly WorkerStatus[]): string[] {
  const rows = [[...columns], ...workers.map(workerRow)];
  const widths = columnWidths(rows);
  return rows.map((row) => alignedLine(row, widths, (column) => column < leftColumns).trimEnd());
}

function workerRow(status: WorkerStatus): string[] {
  const { worker, host, pid, device, numerics, state, lease, plane, silentMs, queuedBytes, samples } = status;
  return [
    ...[worker, `${host} ${pid}`, device, numerics, state, lease ?? '-', plane],
    `${(silentMs / 1000).toFixed(1)} s ago`,
    `${Math.ceil(queuedBytes / 1024)} KiB`,
    String(samples),
  ];
}

/** A run by its folder alone. */
export function folderStatusText(status: FolderStatus): string {
  const { folder, state, generation, step, epoch, samples, samplesPerSecond, terms, newestMs, digest } = status;
  return [
    `${folder}: ${state} (coordinator ${generation})`,
    `step ${step}${epoch === null ? '' : `, epoch ${epoch + 1}`}, ${samples} samples, ${Math.round(samplesPerSecond)} samples/s`,
    termsText(terms),
    ...(newestMs === null ? [] : [`newest line of ${new Date(newestMs).toISOString()}`]),
    ...(digest === null ? [] : [`weights ${digest.slice(0, 16)}`]),
  ].join('\n');
}
