/** `stillhouse status`: how a run stands, by its coordinator or, where there is none, by its folder. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { exitCodes, UserError } from '../shared/errors.js';
import { ifReachable } from '../shared/files.js';
import { parseJson } from '../shared/json.js';
import { isAddress, openOperator, withOperator, type OperatorFlags } from './operator.js';
import { print } from './output.js';
import { pause } from './signals.js';
import { action, type Verb } from './verb.js';

interface StatusFlags extends OperatorFlags {
  readonly watch?: boolean;
  readonly json?: boolean;
}

export const verb: Verb = (program) =>
  withOperator(
    program
      .command('status')
      .argument('[run]', "a coordinator's address, or a run folder (default: the newest in runs)")
      .description('how a run stands')
      .option('--watch', 'again every two seconds, until the run or this command ends')
      .option('--json', 'as JSON, a line each time'),
  ).action(action(status));

/** How often `--watch` looks, in milliseconds. */
const everyMs = 2000;

/** One look at a run. */
interface Look {
  readonly value: unknown;
  readonly text: string;
  readonly isLast: boolean;
}

async function status(run: string | undefined, flags: StatusFlags): Promise<number> {
  const place = run ?? (await newestRun('runs'));
  const look = isAddress(place) ? await coordinatorLook(place, flags) : await folderLook(place);
  for (;;) {
    const { value, text, isLast } = await look();
    if (flags.json === true) print(JSON.stringify(value));
    else print(flags.watch === true && process.stdout.isTTY ? `\u001b[H\u001b[J${text}` : text);
    if (flags.watch !== true || isLast || !(await pause(everyMs))) return exitCodes.done;
  }
}

async function coordinatorLook(url: string, flags: StatusFlags): Promise<() => Promise<Look>> {
  const { runStatusSchema } = await import('../coordinator/watch/run-status.js');
  const { statusText } = await import('../coordinator/watch/status-text.js');
  const ask = await openOperator(url, flags);
  return async () => {
    const { bytes } = await ask({ path: '/status' });
    const read = runStatusSchema.safeParse(parseJson(bytes));
    if (!read.success)
      throw new UserError(
        `${url}: what it answers is no status; a coordinator of this version wanted`,
        exitCodes.refused,
      );
    return { value: read.data, text: statusText(read.data), isLast: read.data.state === 'ending' };
  };
}

async function folderLook(folder: string): Promise<() => Promise<Look>> {
  const { folderStatus } = await import('../coordinator/watch/folder-status.js');
  const { folderStatusText } = await import('../coordinator/watch/status-text.js');
  return async () => {
    const value = await folderStatus(folder);
    return { value, text: folderStatusText(value), isLast: value.state === 'done' };
  };
}

/** The run folder whose journal was written to last. @throws UserError 2 where there is none */
async function newestRun(parent: string): Promise<string> {
  const names = (await ifReachable(readdir(parent))) ?? [];
  const found = await Promise.all(
    names.map(async (name) => {
      const path = join(parent, name);
      return { path, ms: (await ifReachable(stat(join(path, 'journal.jsonl'))))?.mtimeMs ?? null };
    }),
  );
  const runs = found.flatMap(({ path, ms }) => (ms === null ? [] : [{ path, ms }]));
  const [newest] = runs.sort((a, b) => b.ms - a.ms);
  if (newest !== undefined) return newest.path;
  throw new UserError(`${parent}: no run is there; a coordinator's address or a run folder was wanted`);
}
