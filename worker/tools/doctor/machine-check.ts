/** What the doctor finds out about one thing. Pure. */
export interface MachineCheck {
  readonly name: string;
  /** fail: a worker cannot run here. warn: something that a user may want is missing. */
  readonly state: 'ok' | 'warn' | 'fail';
  readonly finding: string;
  /** What to do about it. */
  readonly wish?: string;
}

export function gibibytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
