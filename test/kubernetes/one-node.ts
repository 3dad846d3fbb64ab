/**
 * A Kubernetes cluster of one node, in a network namespace of its own: etcd, API server, controller manager, scheduler,
 * kubelet on containerd, kube-proxy and a name server. Images are imported; there is no registry.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { soon } from '../../bench/programs.js';
import { ApiServer, programs } from './api-server.js';

const run = promisify(execFile);
const ownFolder = fileURLToPath(new URL('cluster/', import.meta.url));

/** Addresses in the namespace, which nothing outside of it can reach. */
const nodeAddress = '10.250.0.1';
const nameServer = '10.96.0.10';
const namespace = `stillhouse-node-${process.pid}`;

export class OneNode {
  readonly api: ApiServer;
  readonly #folder: string;
  /** Namespaces of pods that are none of ours. */
  readonly #before: ReadonlySet<string>;

  private constructor(folder: string, api: ApiServer, before: readonly string[]) {
    [this.#folder, this.api, this.#before] = [folder, api, new Set(before)];
  }

  /** @param images a file of `docker save`, in which stillhouse-pause:test is one */
  static async start(folder: string, images: string): Promise<OneNode> {
    mkdirSync(folder, { recursive: true });
    const before = await podNamespaces();
    await makeNamespace();
    const through = ['nsenter', `--net=/var/run/netns/${namespace}`];
    const api = await ApiServer.start(join(folder, 'server'), {
      through,
      flags: [`--advertise-address=${nodeAddress}`, '--kubelet-preferred-address-types=InternalIP'],
    });
    const node = new OneNode(folder, api, before);
    try {
      await node.#startRuntime(images);
      node.#startControllers();
      node.#startKubelet();
      await node.#isReady();
    } catch (error) {
      await node.stop();
      throw error;
    }
    return node;
  }

  async #startRuntime(images: string): Promise<void> {
    const at = (name: string): string => join(this.#folder, name);
    mkdirSync(at('cni'), { recursive: true });
    const bridge = {
      ...{ type: 'bridge', bridge: 'pods0', isGateway: true, ipMasq: true, hairpinMode: true },
      ipam: {
        type: 'host-local',
        dataDir: at('addresses'),
        ranges: [[{ subnet: '10.244.0.0/24' }]],
        routes: [{ dst: '0.0.0.0/0' }],
      },
    };
    writeFileSync(at('cni/pods.conflist'), JSON.stringify({ cniVersion: '0.4.0', name: 'pods', plugins: [bridge] }));
    writeFileSync(
      at('containerd.toml'),
      `version = 2
root = "${at('containerd')}"
state = "${at('containerd-state')}"
[grpc]
  address = "${at('containerd.sock')}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/library/stillhouse-pause:test"
  disable_apparmor = true
  # Whoever has not the right to lower a process' score must not try to.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${at('cni')}"
`,
    );
    this.api.spawn('containerd', [`--config=${at('containerd.toml')}`]);
    const containerd = ['--address', at('containerd.sock'), '--namespace=k8s.io'];
    while ((await run('ctr', [...containerd, 'version']).catch(() => null)) === null) await soon(200);
    await run('ctr', [...containerd, 'images', 'import', images]);
  }

  #startControllers(): void {
    const flags = [`--kubeconfig=${this.api.kubeconfig}`, '--leader-elect=false', '--secure-port=0'];
    const key = join(this.#folder, 'server/accounts.key');
    this.api.spawn(join(programs, 'kube-controller-manager'), [...flags, `--service-account-private-key-file=${key}`]);
    this.api.spawn(join(programs, 'kube-scheduler'), flags);
    this.api.spawn(join(programs, 'kube-proxy'), [
      ...[`--kubeconfig=${this.api.kubeconfig}`, '--hostname-override=node', '--cluster-cidr=10.244.0.0/16'],
      ...['--proxy-mode=iptables', '--conntrack-max-per-core=0', '--conntrack-tcp-timeout-established=0s'],
      ...['--conntrack-tcp-timeout-close-wait=0s', '--healthz-bind-address=', '--metrics-bind-address='],
    ]);
  }

  #startKubelet(): void {
    const at = (name: string): string => join(this.#folder, name);
    writeFileSync(at('resolv.conf'), '');
    const config = {
      ...{ apiVersion: 'kubelet.config.k8s.io/v1beta1', kind: 'KubeletConfiguration' },
      containerRuntimeEndpoint: `unix://${at('containerd.sock')}`,
      ...{ clusterDNS: [nameServer], clusterDomain: 'cluster.local', resolvConf: at('resolv.conf') },
      ...{ cgroupDriver: 'cgroupfs', failCgroupV1: false, failSwapOn: false, podLogsDir: at('pod-logs') },
      ...{ authentication: { webhook: { enabled: false }, anonymous: { enabled: true } } },
      ...{ authorization: { mode: 'AlwaysAllow' }, address: nodeAddress, healthzPort: 0 },
      evictionHard: { 'memory.available': '50Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
      ...{ enforceNodeAllocatable: [], localStorageCapacityIsolation: false, imageGCHighThresholdPercent: 100 },
    };
    writeFileSync(at('kubelet.yaml'), JSON.stringify(config));
    this.api.spawn(join(programs, 'kubelet'), [
      ...[`--config=${at('kubelet.yaml')}`, `--kubeconfig=${this.api.kubeconfig}`, `--root-dir=${at('kubelet')}`],
      ...['--hostname-override=node', `--node-ip=${nodeAddress}`, `--cert-dir=${at('kubelet-certificates')}`],
    ]);
  }

  async #isReady(): Promise<void> {
    for (;;) {
      const nodes = await this.api.say('kubectl', ['get', 'nodes', '--no-headers']);
      if (/\sReady\s/.test(nodes.stdout)) return;
      await soon(300);
    }
  }

  /** Lets pods find the Services of a namespace that there are now by their names. */
  async nameServices(space: string): Promise<void> {
    const list = JSON.parse(await this.api.kubectl(['get', 'services', '-n', space, '-o=json'])) as {
      items: { metadata: { name: string }; spec: { clusterIP: string } }[];
    };
    const pairs = list.items.map(
      ({ metadata, spec }) => `${metadata.name}.${space}.svc.cluster.local=${spec.clusterIP}`,
    );
    await this.api.stop('node');
    this.api.spawn(process.execPath, [join(ownFolder, 'names.mjs'), nameServer, ...pairs]);
  }

  /** A volume of class `local` in a folder of this node. @returns the folder */
  async volume(name: string): Promise<string> {
    const folder = join(this.#folder, `volume-${name}`);
    mkdirSync(folder);
    const volume = {
      ...{ apiVersion: 'v1', kind: 'PersistentVolume', metadata: { name } },
      spec: {
        ...{ capacity: { storage: '20Gi' }, accessModes: ['ReadWriteOnce'], storageClassName: 'local' },
        local: { path: folder },
        nodeAffinity: {
          required: {
            nodeSelectorTerms: [
              { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['node'] }] },
            ],
          },
        },
      },
    };
    await this.api.kubectl(['apply', '-f', '-'], JSON.stringify(volume));
    return folder;
  }

  /** Ends the pods, the programs and the namespace. */
  async stop(): Promise<void> {
    const containerd = ['--address', join(this.#folder, 'containerd.sock'), '--namespace=k8s.io'];
    await this.api.stop('kubelet');
    const { stdout } = await run('ctr', [...containerd, 'tasks', 'list', '--quiet']).catch(() => ({ stdout: '' }));
    for (const task of stdout.split('\n').filter((line) => line !== ''))
      await run('ctr', [...containerd, 'tasks', 'delete', '--force', task]).catch(() => null);
    await this.api.stop();
    const mounts = await run('findmnt', ['--list', '--noheadings', '--output=TARGET']);
    for (const target of mounts.stdout.split('\n').reverse())
      if (target.startsWith(this.#folder)) await run('umount', ['--lazy', target]).catch(() => null);
    for (const left of [namespace, ...(await podNamespaces())])
      if (!this.#before.has(left)) await run('ip', ['netns', 'delete', left]);
  }
}

/** Network namespaces of pods: containerd names them, for all of the machine alike. */
async function podNamespaces(): Promise<string[]> {
  const { stdout } = await run('ip', ['netns', 'list']);
  return stdout.split('\n').flatMap((line) => /^cni-\S+/.exec(line) ?? []);
}

/** The network of the node: an address for itself and one for the name server, and forwarding between pods. */
async function makeNamespace(): Promise<void> {
  await run('ip', ['netns', 'add', namespace]);
  const inside = (...words: readonly string[]) => run('ip', ['netns', 'exec', namespace, ...words]);
  await inside('ip', 'link', 'set', 'lo', 'up');
  await inside('ip', 'link', 'add', 'node0', 'type', 'veth', 'peer', 'node1');
  for (const link of ['node0', 'node1']) await inside('ip', 'link', 'set', link, 'up');
  for (const address of [nodeAddress, nameServer])
    await inside('ip', 'address', 'add', `${address}/32`, 'dev', 'node0');
  await inside('ip', 'route', 'add', 'default', 'dev', 'node0');
  await inside('sysctl', '-qw', 'net.ipv4.ip_forward=1');
}
