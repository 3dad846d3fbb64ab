/** `stillhouse relay`: one process between many workers and their coordinator. */
import { UserError } from '../shared/errors.js';
import { usableCache } from '../shared/cache-folder.js';
import type { WorkerTls } from '../shared/tls/certificates.js';
import { joinAccess, joinLine, readToken, type JoinFlags } from './credentials.js';
import { memoryFolderOf, memoryOption, withJoining, type MemoryFlags } from './options.js';
import { say, warn } from './output.js';
import { stopInOrder } from './signals.js';
import { workerTls, type WorkerTlsFlags } from './tls.js';
import { integer, listenAddress, sayPortsTaken, type Urls } from './values.js';
import { action, type Verb } from './verb.js';

interface RelayFlags extends JoinFlags, MemoryFlags, WorkerTlsFlags {
  /** Seconds. */
  readonly wait: number;
}

export const verb: Verb = (program) =>
  withJoining(
    program
      .command('relay')
      .argument('<url...>', 'the coordinator, or another relay, as ws:// or wss://; further ones in reserve')
      .description('merge the work of many workers into one link')
      .requiredOption('--listen <host:port>', 'where workers connect', listenAddress),
  )
    .option('--tls-ca <file>', "the CA of the coordinator's certificate (else STILLHOUSE_TLS_CA)")
    .option('--wait <seconds>', 'how long to do without a coordinator', integer, 600)
    .addOption(memoryOption())
    .action(action(relay));

async function relay(urls: Urls, flags: RelayFlags): Promise<number> {
  const stop = stopInOrder();
  const access = joinAccess(flags);
  const upwardTls = tlsUpwards(urls, flags);
  sayPortsTaken(urls);
  const cacheFolder = await usableCache();
  const { serveRelay } = await import('./relay/serve.js');
  const { packageVersion } = await import('./program-version.js');
  let retract = (): void => undefined;
  try {
    return await serveRelay({
      ...flags.listen,
      urls,
      token: readToken(flags.tokenFile),
      credentials: access.credentials,
      tls: access.tls,
      upwardTls,
      cacheFolder,
      waitSeconds: flags.wait,
      memoryFolder: memoryFolderOf(flags),
      version: packageVersion(),
      stop,
      say: (level, text) => (level === 'warn' ? warn(text) : say(text)),
      onListening: (port) => {
        retract = access.announce(port);
        say(joinLine({ ...flags.listen, port }, access));
      },
    });
  } finally {
    retract();
  }
}

/**
 * What the relay trusts and shows upwards; the files for its own port are not meant where links upwards have no TLS.
 * @throws UserError 2 for --tls-ca beside an address without TLS
 */
function tlsUpwards(urls: Urls, flags: RelayFlags): WorkerTls | undefined {
  if (urls.every((url) => /^wss:/i.test(url))) return workerTls(flags);
  const plain = urls.find((url) => !/^wss:/i.test(url)) ?? '';
  if (flags.tlsCa !== undefined)
    throw new UserError(`${plain}: --tls-ca ${flags.tlsCa} given; wss:// was wanted, or none of it`);
  return undefined;
}
