/** JobSet's controller as a program beside an API server, with the webhooks that complete and check each JobSet. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { makeCertificates } from '../../cli/certificates.js';
import { soon } from '../../bench/programs.js';
import { freePorts } from '../e2e/processes.js';
import { definitions, programs, type ApiServer } from './api-server.js';

interface Webhooks {
  readonly webhooks: readonly { readonly clientConfig: { readonly service: { readonly path: string } } }[];
}

/**
 * Starts it, and resolves once it answers for the server. It ends with the server, which must know the definition of JobSet.
 * @param folder of its own files
 */
export async function startJobSet(api: ApiServer, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const at = (name: string): string => join(folder, name);
  const [port = 0] = await freePorts(1);
  makeCertificates(folder, { names: ['localhost', '127.0.0.1'], days: 2, nowMs: Date.now() });
  copyFileSync(at('server.pem'), at('tls.crt'));
  copyFileSync(at('server.key'), at('tls.key'));
  const configuration = {
    ...{ apiVersion: 'config.jobset.x-k8s.io/v1alpha1', kind: 'Configuration' },
    ...{ webhook: { port, host: '127.0.0.1', certDir: folder }, internalCertManagement: { enable: false } },
    ...{
      leaderElection: { leaderElect: false },
      metrics: { bindAddress: '0' },
      health: { healthProbeBindAddress: '0' },
    },
  };
  writeFileSync(at('configuration.json'), JSON.stringify(configuration));
  const child = api.spawn(join(programs, 'jobset'), [
    ...[`--kubeconfig=${api.kubeconfig}`, `--config=${at('configuration.json')}`],
  ]);
  const authority = readFileSync(at('ca.pem')).toString('base64');
  await api.kubectl(['apply', '-f', '-'], webhooksAt(`https://127.0.0.1:${port}`, authority));
  const probe = { apiVersion: 'jobset.x-k8s.io/v1alpha2', kind: 'JobSet', metadata: { name: 'probe' } };
  const text = JSON.stringify({ ...probe, spec: { replicatedJobs: [] } });
  while ((await api.say('kubectl', ['create', '--dry-run=server', '-f', '-'], text)).code !== 0) {
    if (child.exitCode !== null) throw new Error(`jobset ended: ${api.logOf('jobset')}`);
    await soon(300);
  }
}

/** The webhooks' configurations, as JobSet has them for a Service, for a program at a URL. */
function webhooksAt(url: string, caBundle: string): string {
  const documents = parseAllDocuments(readFileSync(join(definitions, 'jobset-webhooks'), 'utf8'));
  const configurations = documents
    .map((document) => document.toJS() as Webhooks | null)
    .filter((configuration) => configuration !== null);
  const texts = configurations.map(({ webhooks, ...rest }) => {
    const called = webhooks.map(({ clientConfig, ...webhook }) => ({
      ...webhook,
      clientConfig: { url: url + clientConfig.service.path, caBundle },
    }));
    return JSON.stringify({ ...rest, webhooks: called });
  });
  return texts.join('\n---\n');
}
