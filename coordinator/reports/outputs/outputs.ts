/** The list of the report outputs, and which of them a run has. */
import { paintFor } from '../../../shared/colors.js';
import { UserError } from '../../../shared/errors.js';
import { barOutput } from './bar.js';
import { eventsOutput } from './events.js';
import { jsonOutput } from './json.js';
import { metricsFile } from './metrics-file.js';
import { mlflowOutput, type MlflowPlace } from './mlflow.js';
import { plainOutput } from './plain.js';
import { quietOutput, warningsOf } from './quiet.js';
import type { OutputPlace, ReportOutput } from './output.js';

export const outputs = {
  bar: barOutput,
  plain: plainOutput,
  quiet: quietOutput,
  json: jsonOutput,
  metrics: metricsFile,
  events: eventsOutput,
} satisfies Readonly<Record<string, (place: OutputPlace) => ReportOutput>>;

export interface Watching {
  readonly stream: NodeJS.WriteStream;
  /** The run's name. */
  readonly run: string;
  /** Warnings and errors alone. */
  readonly isQuiet: boolean;
  /** Lines of JSON, whatever the stream is. */
  readonly isJson: boolean;
  /** Whether lines for people have colours. */
  readonly isColored: boolean;
}

/** The output that a user watches: nothing but warnings when quiet, a bar on a terminal, plain lines otherwise. */
export function watchedOutput({ stream, run, isQuiet, isJson, isColored }: Watching): ReportOutput {
  const place = { stream, paint: paintFor(isColored), run, nowMs: Date.now, everyMs: 10_000 };
  if (isJson) return isQuiet ? warningsOf(outputs.json(place)) : outputs.json(place);
  if (isQuiet) return outputs.quiet(place);
  return stream.isTTY ? outputs.bar(place) : outputs.plain(place);
}

/** What a user watches, and beside it MLflow, where the run is shown there. */
export function trackedOutput(watched: ReportOutput, tracked: Omit<MlflowPlace, 'say'> | null): ReportOutput {
  if (tracked === null) return watched;
  return joinOutputs([watched, mlflowOutput({ ...tracked, say: (level, text) => watched.say(level, text) })]);
}

/** All outputs of one run: the one that its user watches, and what is kept in its folder. */
export function runOutput(watched: ReportOutput, folder: OutputPlace['folder']): ReportOutput {
  return joinOutputs([watched, outputs.metrics({ folder }), outputs.events({ folder, nowMs: Date.now })]);
}

/**
 * Each report goes to all of them, in their order. One that cannot keep what it has to ends the run with a UserError; one
 * that fails otherwise is said to, and gets no more of this run.
 */
export function joinOutputs(outputs: readonly ReportOutput[]): ReportOutput {
  const warn = (text: string): void => outputs.forEach((output) => output.say('warn', text));
  const all = outputs.map((output) => unlessBroken(output, warn));
  const each = async (report: (output: ReportOutput) => Promise<void>): Promise<void> => {
    await Promise.all(all.map(report));
  };
  return {
    start: (start) => each((output) => output.start(start)),
    say: (level, text) => all.forEach((output) => output.say(level, text)),
    progress: (progress) => all.forEach((output) => output.progress(progress)),
    step: (report) => all.forEach((output) => output.step(report)),
    epoch: (line) => each((output) => output.epoch(line)),
    end: (partialEpoch) => each((output) => output.end(partialEpoch)),
    finished: (start) => each((output) => output.finished(start)),
    over: (ending) => each((output) => output.over(ending)),
    close: () => all.forEach((output) => output.close()),
  };
}

/** The output, until a report of a step, an epoch or an end shows that it is broken. */
function unlessBroken(output: ReportOutput, warn: (text: string) => void): ReportOutput {
  let isBroken = false;
  const broke = (error: unknown): void => {
    if (error instanceof UserError) throw error;
    isBroken = true;
    warn(`a report of the run is given up: ${error instanceof Error ? error.message : String(error)}`);
  };
  const tried = (report: () => void): void => {
    if (isBroken) return;
    try {
      report();
    } catch (error) {
      broke(error);
    }
  };
  const kept = async (report: () => Promise<void>): Promise<void> => {
    if (!isBroken) await report().catch(broke);
  };
  return {
    start: (start) => {
      isBroken = false;
      return kept(async () => output.start(start));
    },
    say: (level, text) => output.say(level, text),
    progress: (progress) => tried(() => output.progress(progress)),
    step: (report) => tried(() => output.step(report)),
    epoch: (line) => kept(async () => output.epoch(line)),
    end: (partialEpoch) => kept(async () => output.end(partialEpoch)),
    finished: (start) => kept(async () => output.finished(start)),
    over: (ending) => output.over(ending),
    close: () => output.close(),
  };
}
