/**
 * How clouds tell a machine that it is about to be taken away: what is asked of their metadata service, and what the answers
 * mean. Pure. References: AWS "Spot Instance interruption notices" (IMDSv2), Google Cloud "Preemption detection", Azure
 * "Scheduled Events" (2020-07-01).
 */
import { z } from 'zod';
import { parseJson } from '../../shared/json.js';
import { printable } from '../../shared/printable.js';

/** A question to a metadata service. */
export interface MetadataRequest {
  readonly method: 'GET' | 'PUT';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** An answer of it. */
export interface MetadataAnswer {
  readonly status: number;
  readonly body: Uint8Array;
}

export interface Cloud {
  /** Where the service is, unless the environment variable names another place. */
  readonly base: string;
  readonly variable: string | null;
  /** What is asked before; its answer goes into every question. Null: nothing. */
  readonly introduction: MetadataRequest | null;
  /** @param introduced the text of the introduction's answer; empty where there is none */
  readonly question: (introduced: string) => MetadataRequest;
  /**
   * Why the machine is about to be taken away; null while it is not.
   * @throws Error for an answer that is none of this service
   */
  readonly read: (answer: MetadataAnswer, introduced: string) => string | null;
}

const awsAction = z.object({ action: z.string(), time: z.string() });
const azureEvents = z.object({
  Events: z.array(z.object({ EventType: z.string(), Resources: z.array(z.string()), NotBefore: z.string() })),
});

const aws: Cloud = {
  base: 'http://169.254.169.254',
  variable: 'AWS_EC2_METADATA_SERVICE_ENDPOINT',
  introduction: {
    ...{ method: 'PUT', path: '/latest/api/token' },
    headers: { 'x-aws-ec2-metadata-token-ttl-seconds': '21600' },
  },
  question: (token) => ({
    ...{ method: 'GET', path: '/latest/meta-data/spot/instance-action' },
    headers: { 'x-aws-ec2-metadata-token': token },
  }),
  read: ({ status, body }) => {
    if (status === 404) return null;
    const { action, time } = awsAction.parse(expectAnswer(status, parseJson(body)));
    return printable(`aws: ${action} at ${time}`);
  },
};

const gcp: Cloud = {
  base: 'http://metadata.google.internal',
  variable: 'GCE_METADATA_HOST',
  introduction: null,
  question: () => ({
    ...{ method: 'GET', path: '/computeMetadata/v1/instance/preempted' },
    headers: { 'metadata-flavor': 'Google' },
  }),
  read: ({ status, body }) => {
    const text = expectAnswer(status, textOf(body));
    if (text !== 'TRUE' && text !== 'FALSE')
      throw new Error(`it answered ${printable(text, 40)}; TRUE or FALSE wanted`);
    return text === 'TRUE' ? 'gcp: preempted' : null;
  },
};

/** The machine's own name comes first, since events of its neighbours are told, too. */
const azure: Cloud = {
  base: 'http://169.254.169.254',
  variable: null,
  introduction: {
    ...{ method: 'GET', path: '/metadata/instance/compute/name?api-version=2021-02-01&format=text' },
    headers: { metadata: 'true' },
  },
  question: () => ({
    ...{ method: 'GET', path: '/metadata/scheduledevents?api-version=2020-07-01' },
    headers: { metadata: 'true' },
  }),
  read: ({ status, body }, name) => {
    const { Events: events } = azureEvents.parse(expectAnswer(status, parseJson(body)));
    const ours = events.find(({ EventType: type, Resources: who }) => isTakingAway(type) && who.includes(name));
    return ours === undefined ? null : printable(`azure: ${ours.EventType} not before ${ours.NotBefore}`);
  },
};

export const clouds = { aws, gcp, azure } as const;
export type CloudName = keyof typeof clouds;

/** A reboot or a freeze is an interruption, which a worker survives or is started again after. */
function isTakingAway(type: string): boolean {
  return type === 'Preempt' || type === 'Terminate';
}

function expectAnswer<T>(status: number, value: T): T {
  if (status !== 200) throw new Error(`it answered ${status}`);
  return value;
}

/** The text of an answer, without the white space around it. */
export function textOf(body: Uint8Array): string {
  return Buffer.from(body).toString('utf8').trim();
}
