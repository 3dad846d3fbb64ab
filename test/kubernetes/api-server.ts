/** A Kubernetes API server with its etcd, on loopback: what it takes is what a cluster takes, though nothing is run. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { soon } from '../../bench/programs.js';
import { freePorts } from '../e2e/processes.js';

const run = promisify(execFile);

/** The folder of helm, kubeconform and Kubernetes' programs, which test/kubernetes/cluster/build.sh prints. */
export const programs = process.env.STILLHOUSE_KUBERNETES_PROGRAMS ?? '';

/** A command that has ended, well or not. */
export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs one of the programs to its end.
 * @param input what it reads
 * @param through the command that starts it; default: none
 */
export async function say(
  name: string,
  args: readonly string[],
  input = '',
  through: readonly string[] = [],
): Promise<Said> {
  const [command = '', ...rest] = [...through, join(programs, name), ...args];
  const running = run(command, rest, { maxBuffer: 1 << 28 });
  running.child.stdin?.end(input);
  try {
    return { code: 0, ...(await running) };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: unknown; stdout: string; stderr: string };
    if (typeof code !== 'number') throw error;
    return { code, stdout, stderr };
  }
}

/** What a program printed, which must have succeeded. */
function mustSucceed(what: string, { code, stdout, stderr }: Said): string {
  if (code !== 0) throw new Error(`${what} ended with ${code}: ${stderr}${stdout}`);
  return stdout;
}

/** Kinds of other projects, whose definitions build.sh has left beside the programs. */
const definedKinds = ['JobSet', 'LocalQueue', 'ClusterQueue', 'ServiceMonitor', 'ClusterTrainingRuntime', 'TrainJob'];

/** The folder of those definitions, and of what else the tests read of these projects. */
export const definitions = join(programs, 'definitions');

/** Runs one of the programs, which must succeed. @returns what it printed */
export async function get(name: string, args: readonly string[], input = ''): Promise<string> {
  return mustSucceed(`${name} ${args.join(' ')}`, await say(name, args, input));
}

export interface ApiServerOptions {
  /** The command that starts each program, such as `nsenter --net=FILE`; default: none. */
  readonly through?: readonly string[];
  /** More of the server's command line. */
  readonly flags?: readonly string[];
}

export class ApiServer {
  readonly kubeconfig: string;
  readonly #folder: string;
  readonly #through: readonly string[];
  readonly #children: { readonly name: string; readonly child: ChildProcess }[] = [];

  private constructor(folder: string, through: readonly string[]) {
    [this.#folder, this.#through] = [folder, through];
    this.kubeconfig = join(folder, 'kubeconfig');
  }

  /** @param folder of its own files. @throws with what it printed where it does not come up */
  static async start(folder: string, { through = [], flags = [] }: ApiServerOptions = {}): Promise<ApiServer> {
    mkdirSync(folder, { recursive: true });
    const [etcd = 0, peer = 0, port = 0] = await freePorts(3);
    const server = new ApiServer(folder, through);
    const key = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const secret = { mode: 0o600 };
    writeFileSync(join(folder, 'accounts.key'), key.privateKey.export({ type: 'pkcs8', format: 'pem' }), secret);
    writeFileSync(join(folder, 'accounts.pub'), key.publicKey.export({ type: 'spki', format: 'pem' }));
    writeFileSync(join(folder, 'users.csv'), 'administrator,administrator,1,system:masters\n', secret);
    writeFileSync(server.kubeconfig, kubeconfig(`https://127.0.0.1:${port}`), secret);
    const stores = `http://127.0.0.1:${etcd}`;
    const peers = `http://127.0.0.1:${peer}`;
    server.spawn('etcd', [
      ...[`--data-dir=${join(folder, 'etcd')}`, '--unsafe-no-fsync'],
      ...[`--listen-client-urls=${stores}`, `--advertise-client-urls=${stores}`, `--listen-peer-urls=${peers}`],
      ...[`--initial-advertise-peer-urls=${peers}`, `--initial-cluster=default=${peers}`],
    ]);
    const child = server.spawn(join(programs, 'kube-apiserver'), [
      ...[`--etcd-servers=${stores}`, '--bind-address=127.0.0.1', `--secure-port=${port}`],
      ...[`--cert-dir=${join(folder, 'certificates')}`, `--token-auth-file=${join(folder, 'users.csv')}`],
      `--service-account-key-file=${join(folder, 'accounts.pub')}`,
      `--service-account-signing-key-file=${join(folder, 'accounts.key')}`,
      ...['--service-account-issuer=https://kubernetes.default.svc', '--service-cluster-ip-range=10.96.0.0/16'],
      ...['--authorization-mode=Node,RBAC', ...flags],
    ]);
    while ((await server.say('kubectl', ['get', '--raw=/readyz'])).code !== 0) {
      if (child.exitCode !== null) {
        await server.stop();
        throw new Error(`kube-apiserver ended: ${server.logOf('kube-apiserver')}`);
      }
      await soon(200);
    }
    return server;
  }

  /** Has the server know the kinds of JobSet, Kueue, the Prometheus operator and Kubeflow Trainer, and describe them. */
  async define(): Promise<void> {
    await this.kubectl(['apply', '--server-side', '-f', definitions]);
    await this.kubectl(['wait', '--for=condition=Established', '-f', definitions]);
    for (;;) {
      const description = await this.kubectl(['get', '--raw=/openapi/v2']);
      if (definedKinds.every((kind) => description.includes(`"kind":"${kind}"`))) return;
      await soon(300);
    }
  }

  /** Starts a program that ends with the server. Its output goes to a file beside. */
  spawn(path: string, args: readonly string[]): ChildProcess {
    const name = path.split('/').at(-1) ?? '';
    const [command = '', ...rest] = [...this.#through, path, ...args];
    const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
    const log = join(this.#folder, `${name}.log`);
    writeFileSync(log, '');
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data: Buffer) => writeFileSync(log, data, { flag: 'a' }));
    this.#children.push({ name, child });
    return child;
  }

  /** The end of what a program has printed. */
  logOf(name: string): string {
    return readFileSync(join(this.#folder, `${name}.log`), 'utf8').slice(-4000);
  }

  /** Runs kubectl or helm on this server to its end. */
  say(name: 'kubectl' | 'helm', args: readonly string[], input = ''): Promise<Said> {
    return say(name, [`--kubeconfig=${this.kubeconfig}`, ...args], input, this.#through);
  }

  /** The same, which must succeed. @returns what it printed */
  async get(name: 'kubectl' | 'helm', args: readonly string[], input = ''): Promise<string> {
    return mustSucceed(`${name} ${args.join(' ')}`, await this.say(name, args, input));
  }

  kubectl(args: readonly string[], input = ''): Promise<string> {
    return this.get('kubectl', args, input);
  }

  /** Ends what was started of a program, or of all, the last first. */
  async stop(program?: string): Promise<void> {
    for (const { name, child } of [...this.#children].reverse()) {
      if (program !== undefined && name !== program) continue;
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const closed = new Promise((resolve) => child.once('close', resolve));
      child.kill('SIGKILL');
      await closed;
    }
  }
}

/** The certificate is made by the server itself, on a machine that nobody else calls it from. */
function kubeconfig(url: string): string {
  return `apiVersion: v1
kind: Config
current-context: test
contexts: [{ name: test, context: { cluster: test, user: administrator } }]
clusters: [{ name: test, cluster: { server: "${url}", insecure-skip-tls-verify: true } }]
users: [{ name: administrator, user: { token: administrator } }]
`;
}
