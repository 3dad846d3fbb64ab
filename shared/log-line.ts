/** The lines of a log for programs: one JSON object each, of flat fields. Pure. */

export type LogLevel = 'info' | 'warn' | 'error';

/** What a line is about, so that a collector of logs can filter by it; absent where it is about nothing of the kind. */
export interface LogFields {
  /** The run's name, or its id where that is all that is known. */
  readonly run?: string | undefined;
  /** Steps that were committed. */
  readonly step?: number | undefined;
  /** The process of a worker, or its number among those of a run on one machine. */
  readonly worker?: string | undefined;
  /** The device of a host with several. */
  readonly device?: string | undefined;
  readonly [name: string]: unknown;
}

/**
 * One line without its end: `time` (ISO 8601, UTC), `level`, the fields in their order, and the text as `msg`.
 *
 * @param timeMs milliseconds since 1970
 */
export function logLine(
  timeMs: number,
  level: LogLevel,
  { msg, ...fields }: LogFields & { readonly msg: string },
): string {
  return JSON.stringify({ time: new Date(timeMs).toISOString(), level, ...fields, msg });
}
