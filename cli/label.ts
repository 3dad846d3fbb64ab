/** `stillhouse label`: a recipe's soft labels and nothing else, by local workers or, with --listen, by those that join. */
import { cacheFolder } from '../shared/cache-folder.js';
import { exitCodes, UserError } from '../shared/errors.js';
import { labelStorage } from '../shared/labels/storage.js';
import { besideWorkers, planWorkers, type Beside } from './local-workers.js';
import { lookAt, openRecipe, openRun } from './open.js';
import { backendOption, withJoining, withRun, type RunFlags } from './options.js';
import { expectPlace } from './output-place.js';
import { print, say } from './output.js';
import { inGoodOrder } from './signals.js';
import { joinAccess, joinLine, ownWorkersAlone, type JoinFlags } from './credentials.js';
import { localTls } from './tls.js';
import { listenAddress, positive } from './values.js';
import { action, type Verb } from './verb.js';

type LabelFlags = RunFlags & Partial<JoinFlags>;

export const verb: Verb = (program) =>
  withJoining(
    withRun(
      program.command('label').argument('<recipe>').description("make a recipe's soft labels and nothing else"),
    ).option('--listen <host:port>', 'let label workers join there, instead of local ones', listenAddress),
  )
    .option('--workers <n>', 'local workers', positive)
    .addOption(backendOption())
    .action(action(label));

async function label(file: string, flags: LabelFlags): Promise<number> {
  const { makeLabels } = await import('../coordinator/labels/label-only.js');
  const { recipe } = await openRecipe(file, flags);
  const { out, listen } = flags;
  if (out !== undefined && !out.endsWith('.npz'))
    throw new UserError(`--out ${out}: a name that ends in .npz was wanted`);
  if (out !== undefined) await expectPlace('--out', out);
  const access = listen === undefined ? ownWorkersAlone() : joinAccess({ ...flags, listen });
  const run = await openRun(recipe, file, flags);
  const tell = flags.quiet === true ? (): void => undefined : say;
  await lookAt(run, { tell, isJudged: true });
  const isLocal = listen === undefined || flags.workers !== undefined;
  const own = {
    token: access.token,
    role: 'label',
    tls: access.tls === null ? undefined : localTls(access.tls, flags),
  } as const;
  const kinds = isLocal ? [await planWorkers(run, flags, own)] : [];
  let retract = (): void => undefined;
  const making = (stopSignal: AbortSignal, { start, lost }: Beside): ReturnType<typeof makeLabels> =>
    makeLabels(run, {
      listen: listen ?? { host: '127.0.0.1', port: 0 },
      credentials: access.credentials,
      tls: access.tls,
      labels: labelStorage(cacheFolder()),
      out,
      stopSignal,
      say: tell,
      onListening: (port) => {
        retract = access.announce(port);
        if (listen !== undefined) say(joinLine({ ...listen, port }, access, ' --role label'));
        start(port);
      },
      lost,
    });
  const { samples, made } = await inGoodOrder((stop) => besideWorkers(kinds, (beside) => making(stop, beside))).finally(
    () => retract(),
  );
  const written = out === undefined ? '' : `; written to ${out}`;
  print(`labels: ${samples} of ${samples}, ${made} of them made now${written}`);
  return exitCodes.done;
}
