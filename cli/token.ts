/** `stillhouse token`: makes a join token, or with --tls a small CA and the certificates of a first cluster. */
import { newToken } from '../shared/access/local-token.js';
import { exitCodes } from '../shared/errors.js';
import { ownAddresses } from './credentials.js';
import { print, shellWord } from './output.js';
import { tlsFiles } from './tls.js';
import { collect, positive } from './values.js';
import { action, type Verb } from './verb.js';

interface TokenFlags {
  readonly tls?: string | true;
  readonly name?: string[];
  readonly days: number;
}

export const verb: Verb = (program) =>
  program
    .command('token')
    .description('make a join token, or certificates')
    .option('--tls [dir]', 'make a CA and certificates in the folder (default tls), or new ones by the CA in it')
    .option(
      '--name <name>',
      'with --tls: a name of the coordinator besides those of this machine; may be repeated',
      collect,
      [],
    )
    .option('--days <n>', 'with --tls: how long the certificates are good', positive, 365)
    .action(action(token));

async function token({ tls, name = [], days }: TokenFlags): Promise<number> {
  if (tls === undefined) print(newToken());
  else await certificates(tls === true ? 'tls' : tls, name, days);
  return exitCodes.done;
}

async function certificates(folder: string, given: readonly string[], days: number): Promise<void> {
  const { makeCertificates, namesBefore } = await import('./certificates.js');
  const names = [...new Set([...given, ...namesBefore(folder), 'localhost', ...ownAddresses(), '127.0.0.1', '::1'])];
  const { isNew, untilMs } = makeCertificates(folder, { names, days, nowMs: Date.now() });
  const until = new Date(untilMs).toISOString().slice(0, 10);
  const place = shellWord(folder);
  const name = names.find((known) => known !== 'localhost') ?? 'localhost';
  print(`${folder}/${tlsFiles.ca}: the CA ${isNew ? '(new)' : '(as before)'}; ${tlsFiles.caKey} signs, and stays here`);
  print(
    `${folder}/${tlsFiles.server}, ${tlsFiles.serverKey}: for the coordinator, until ${until}: ${names.join(', ')}`,
  );
  print(`${folder}/${tlsFiles.client}, ${tlsFiles.clientKey}: for workers, until ${until}`);
  print(
    `coordinator:  stillhouse coordinator RECIPE --listen 0.0.0.0:7070 --tls ${place} --tls-client-ca ${place}/${tlsFiles.ca}`,
  );
  print(`worker:       stillhouse worker wss://${name.includes(':') ? `[${name}]` : name}:7070 --tls ${place}`);
  print(`              (with ${tlsFiles.ca}, ${tlsFiles.client} and ${tlsFiles.clientKey} in its folder)`);
}
