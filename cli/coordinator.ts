/** `stillhouse coordinator`: the coordinator alone, for workers that join from elsewhere. */
import { exitCodes } from '../shared/errors.js';
import { memoryOption, withFolder, withJoining, type FolderFlags } from './options.js';
import { say } from './output.js';
import { showResults } from './results.js';
import { joinAccess, joinLine, pageLine, type JoinFlags } from './credentials.js';
import { listenAddress, positive } from './values.js';
import { action, type Verb } from './verb.js';
import { coordinateWhole, openWholeRun } from './whole-run.js';

interface CoordinatorFlags extends FolderFlags, JoinFlags {
  readonly expect?: number;
}

export const verb: Verb = (program) =>
  withJoining(
    withFolder(program.command('coordinator').argument('<recipe>').description('the coordinator alone')).requiredOption(
      '--listen <host:port>',
      'where workers connect',
      listenAddress,
    ),
  )
    .option('--expect <n>', 'begin when so many workers are ready', positive)
    .addOption(memoryOption())
    .action(action(coordinator));

async function coordinator(file: string, flags: CoordinatorFlags): Promise<number> {
  const access = joinAccess(flags);
  const opened = await openWholeRun(file, flags);
  let isAnnounced = false;
  let retract = (): void => undefined;
  try {
    const summary = await coordinateWhole(opened, {
      address: flags.listen,
      credentials: access.credentials,
      tls: access.tls,
      flags,
      expected: flags.expect,
      isOpen: true,
      onListening: (port) => {
        if (isAnnounced) return;
        isAnnounced = true;
        retract = access.announce(port);
        say(joinLine({ ...flags.listen, port }, access));
        if (flags.quiet !== true) say(pageLine({ ...flags.listen, port }, access, process.stderr.isTTY));
      },
    });
    await showResults(opened, summary, flags);
    return exitCodes.done;
  } finally {
    retract();
  }
}
