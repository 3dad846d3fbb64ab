/** Each cloud's notice, from a server on loopback that speaks its metadata service's form. */
import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { clouds, type CloudName } from '../../../worker/preemption/notices.js';
import { noticeOf, watchForNotice } from '../../../worker/preemption/watch.js';
import { temporaryFolder } from '../fakes.js';

type Answer = readonly [status: number, body: string];
let server: Server | null = null;
afterEach(async () => {
  const open = server;
  server = null;
  open?.closeAllConnections();
  if (open !== null) await new Promise((resolve) => open.close(resolve));
});

/** A metadata service. @returns the environment that leads to it */
async function serve(answer: (request: IncomingMessage) => Answer): Promise<{ readonly address: string }> {
  const started = createServer((request, response) => {
    const [status, body] = answer(request);
    response.writeHead(status).end(body);
  });
  server = started;
  await new Promise<void>((resolve) => started.listen(0, '127.0.0.1', resolve));
  return { address: `127.0.0.1:${(started.address() as AddressInfo).port}` };
}

const lookAt = (cloud: CloudName, address: string): (() => Promise<string | null>) => {
  const { variable } = clouds[cloud];
  return noticeOf(cloud, { [variable ?? '']: cloud === 'aws' ? `http://${address}` : address });
};

describe('aws', () => {
  it('gives a token first, has nothing to tell, then an action and its time', async () => {
    let action: Answer = [404, 'Not Found'];
    let tokens = 0;
    const { address } = await serve(({ method, url, headers }) => {
      if (method === 'PUT' && url === '/latest/api/token')
        return headers['x-aws-ec2-metadata-token-ttl-seconds'] === '21600' ? [200, `token-${++tokens}`] : [400, ''];
      if (headers['x-aws-ec2-metadata-token'] !== `token-${tokens}`) return [401, 'Unauthorized'];
      return url === '/latest/meta-data/spot/instance-action' ? action : [404, ''];
    });
    const look = lookAt('aws', address);
    expect([await look(), await look(), tokens]).toEqual([null, null, 1]);
    // The token has come to its end: the next look has another.
    tokens++;
    await expect(look()).rejects.toThrow('it answered 401');
    action = [200, '{"action":"terminate","time":"2030-01-01T00:00:00Z"}'];
    expect(await look()).toBe('aws: terminate at 2030-01-01T00:00:00Z');
  });
});

describe('gcp', () => {
  it('says FALSE, then TRUE, to who names its flavour', async () => {
    let preempted = 'FALSE';
    const { address } = await serve(({ url, headers }) =>
      url === '/computeMetadata/v1/instance/preempted' && headers['metadata-flavor'] === 'Google'
        ? [200, preempted]
        : [403, ''],
    );
    const look = lookAt('gcp', address);
    expect(await look()).toBeNull();
    preempted = 'TRUE\n';
    expect(await look()).toBe('gcp: preempted');
    preempted = '<html>';
    await expect(look()).rejects.toThrow('it answered <html>; TRUE or FALSE wanted');
  });
});

describe('azure', () => {
  const event = (type: string, ...resources: string[]): object => ({
    ...{ EventId: 'e', EventType: type, ResourceType: 'VirtualMachine', Resources: resources },
    ...{ EventStatus: 'Scheduled', NotBefore: 'Mon, 19 Sep 2030 18:29:47 GMT' },
  });

  it.each<[string | null, readonly object[]]>([
    [null, []],
    [null, [event('Reboot', 'vm-1'), event('Preempt', 'vm-2'), event('Freeze', 'vm-1')]],
    ['azure: Preempt not before Mon, 19 Sep 2030 18:29:47 GMT', [event('Preempt', 'vm-2', 'vm-1')]],
    ['azure: Terminate not before Mon, 19 Sep 2030 18:29:47 GMT', [event('Terminate', 'vm-1')]],
  ])('tells %j by events of this machine alone', (notice, events) => {
    const { introduction, question, read } = clouds.azure;
    expect([introduction?.headers, question('vm-1').headers]).toEqual([{ metadata: 'true' }, { metadata: 'true' }]);
    const body = Buffer.from(JSON.stringify({ DocumentIncarnation: 1, Events: events }));
    expect(read({ status: 200, body }, 'vm-1')).toBe(notice);
  });

  it('refuses who is no metadata service', () => {
    expect(() => clouds.azure.read({ status: 200, body: Buffer.from('no') }, 'vm-1')).toThrow();
    expect(() => clouds.azure.read({ status: 400, body: Buffer.from('') }, 'vm-1')).toThrow('it answered 400');
  });
});

describe('the watch', () => {
  it('ends with what stands in the file, once that is there', async () => {
    const file = `${temporaryFolder()}/notice`;
    const { signal } = new AbortController();
    let looks = 0;
    const look = async (): Promise<string | null> => {
      if (++looks === 3) writeFileSync(file, 'the site closes at noon\n');
      return noticeOf(file)();
    };
    expect(await watchForNotice({ look, everyMs: 1, signal, warn: expect.unreachable })).toBe(
      'the site closes at noon',
    );
    writeFileSync(file, '');
    expect(await noticeOf(file)()).toBe(`${file} is there`);
  });

  it('says once that nobody answers, and again after somebody did', async () => {
    const lines: string[] = [];
    const looks = ['fails', 'fails', null, 'fails', 'notice'];
    const look = async (): Promise<string | null> => {
      const next = looks.shift() ?? null;
      if (next === 'fails') throw new Error('connect ECONNREFUSED');
      return next;
    };
    const { signal } = new AbortController();
    expect(await watchForNotice({ look, everyMs: 1, signal, warn: (line) => lines.push(line) })).toBe('notice');
    expect(lines).toEqual([
      'no notice of preemption can be had: connect ECONNREFUSED; asking again every 0.001 s',
      'no notice of preemption can be had: connect ECONNREFUSED; asking again every 0.001 s',
    ]);
  });

  it('ends with nothing when it is not wanted any more', async () => {
    const controller = new AbortController();
    const watch = watchForNotice({
      ...{ look: async () => null, everyMs: 1e6, signal: controller.signal, warn: expect.unreachable },
    });
    controller.abort();
    expect(await watch).toBeNull();
  });
});
