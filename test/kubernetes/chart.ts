/** deploy/helm/stillhouse as helm renders it. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { get, say, type Said } from './api-server.js';

export const chart = fileURLToPath(new URL('../../deploy/helm/stillhouse', import.meta.url));
const values = fileURLToPath(new URL('values/', import.meta.url));

/** The sets of values that the tests render, by name. */
export const valueSets: readonly string[] = readdirSync(values).map((name) => name.replace(/\.yaml$/, ''));

export const valuesOf = (set: string): string => join(values, `${set}.yaml`);

// Of Kubernetes' objects, what the tests look at.

export type Labels = Readonly<Record<string, string>>;

export interface Selector {
  readonly matchLabels?: Labels;
  readonly matchExpressions?: readonly { readonly key: string; readonly values: readonly string[] }[];
}

interface Rule {
  readonly from?: readonly { readonly podSelector?: Selector }[];
  readonly to?: readonly { readonly podSelector?: Selector }[];
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly args: readonly string[];
  readonly env?: readonly { readonly name: string; readonly valueFrom?: unknown }[];
  readonly securityContext: unknown;
  readonly resources: unknown;
  readonly livenessProbe?: unknown;
}

interface Volume {
  readonly name: string;
  readonly projected?: {
    readonly sources: readonly { readonly secret: { readonly items: readonly { readonly key: string }[] } }[];
  };
}

/** Of a Job or a Deployment. */
export interface Workload {
  readonly completionMode?: string;
  readonly podFailurePolicy?: unknown;
  readonly template: {
    readonly metadata: { readonly labels: Labels };
    readonly spec: {
      readonly restartPolicy?: string;
      readonly containers: readonly [Container];
      readonly volumes: readonly Volume[];
    };
  };
}

export interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels: Labels };
  readonly stringData?: Readonly<Record<string, string>>;
  readonly spec?: Partial<Workload> & {
    readonly publishNotReadyAddresses?: boolean;
    readonly selector?: Selector & Labels;
    readonly podSelector?: Selector;
    readonly ingress?: readonly Rule[];
    readonly egress?: readonly Rule[];
    readonly metrics?: readonly { readonly object: { readonly metric: { readonly name: string } } }[];
    readonly replicatedJobs?: readonly { readonly name: string; readonly template: { readonly spec: Workload } }[];
  };
}

export function manifestsIn(text: string): Manifest[] {
  return parseAllDocuments(text)
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest) => manifest !== null);
}

/** Renders the chart as release `mine`. @param more of helm's command line */
export async function render(set: string, ...more: readonly string[]): Promise<string> {
  return get('helm', ['template', 'mine', chart, '--namespace=lab', '-f', valuesOf(set), ...more]);
}

/** What helm says of values that it is to refuse. */
export async function refusalOf(...more: readonly string[]): Promise<Said> {
  return say('helm', ['template', 'mine', chart, ...more]);
}

/** The specs of Jobs and Deployments, and of the Jobs in JobSets. */
export function workloadsIn(manifests: readonly Manifest[]): Workload[] {
  return manifests.flatMap(({ spec = {} }) => {
    const { replicatedJobs = [], template } = spec;
    return [
      ...replicatedJobs.map((job) => job.template.spec),
      ...(template === undefined ? [] : [{ ...spec, template }]),
    ];
  });
}

export function scratch(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'stillhouse-kubernetes-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 5 }) };
}
