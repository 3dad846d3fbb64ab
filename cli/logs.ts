/** `stillhouse logs`: the events of a run's journal, from its coordinator or from its folder. */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { exitCodes, UserError } from '../shared/errors.js';
import { ifReachable } from '../shared/files.js';
import { printable } from '../shared/printable.js';
import type { JournalLine } from '../coordinator/store/journal.js';
import { isAddress, openOperator, withOperator, type Ask, type OperatorFlags } from './operator.js';
import { print } from './output.js';
import { pause } from './signals.js';
import { action, type Verb } from './verb.js';

interface LogsFlags extends OperatorFlags {
  readonly follow?: boolean;
  readonly json?: boolean;
}

export const verb: Verb = (program) =>
  withOperator(
    program
      .command('logs')
      .argument('<run>', "a coordinator's address, or a run folder")
      .description("the events of a run's journal")
      .option('--follow', 'go on with what comes, until the run or this command ends')
      .option('--json', 'the lines as the journal has them'),
  ).action(action(logs));

/** How often `--follow` looks, in milliseconds. */
const everyMs = 500;

/** Gives what a journal holds behind so many bytes; all of it where it is another run's by now. */
type ReadOn = (from: number) => Promise<{ readonly bytes: Uint8Array; readonly from: number }>;

async function logs(run: string, flags: LogsFlags): Promise<number> {
  const { journalText } = await import('../coordinator/watch/journal-text.js');
  const { journalLineIn } = await import('../coordinator/store/journal-chain.js');
  const readOn = isAddress(run) ? remoteJournal(await openOperator(run, flags)) : journalIn(run);
  const textOf = (line: JournalLine | null): string =>
    line === null ? 'a line that is damaged; stillhouse verify tells more' : journalText(line);
  let at = 0;
  for (;;) {
    const { bytes, from } = await readOn(at);
    const whole = bytes.subarray(0, bytes.lastIndexOf(0x0a) + 1);
    at = from + whole.length;
    let isOver = flags.follow !== true;
    for (const text of Buffer.from(whole).toString('utf8').split('\n').slice(0, -1)) {
      const line = journalLineIn(text);
      isOver ||= line?.type === 'results';
      print(printable(flags.json === true ? text : textOf(line), text.length));
    }
    if (isOver || !(await pause(everyMs))) return exitCodes.done;
  }
}

/** The journal at a coordinator, as ranges of its bytes; its ETag tells whose run it is. */
function remoteJournal(ask: Ask): ReadOn {
  let etag = '""';
  return async (from) => {
    const headers = { range: `bytes=${from}-`, 'if-range': etag };
    const { status, headers: got, bytes } = await ask({ path: '/journal', headers });
    etag = got.etag ?? etag;
    if (status === 416) return { bytes: new Uint8Array(0), from };
    return { bytes, from: status === 206 ? from : 0 };
  };
}

/** It throws UserError 2 where the folder has none. */
function journalIn(folder: string): ReadOn {
  const path = join(folder, 'journal.jsonl');
  return async (from) => {
    const file = await ifReachable(open(path, 'r'));
    if (file === null) throw new UserError(`${folder}: holds no journal.jsonl; a run folder was wanted`);
    try {
      const { size } = await file.stat();
      // A start may have cut off what a crash had left.
      const start = from > size ? 0 : from;
      const bytes = new Uint8Array(size - start);
      const { bytesRead } = await file.read(bytes, 0, bytes.length, start);
      return { bytes: bytes.subarray(0, bytesRead), from: start };
    } finally {
      await file.close();
    }
  };
}
