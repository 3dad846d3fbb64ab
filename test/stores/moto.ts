/** A moto server, which is a real S3-compatible store from PyPI, on loopback; and one of its users with keys. */
import { spawn, type ChildProcess } from 'node:child_process';
import { AwsV4Signer } from 'aws4fetch';
import { soon } from '../../bench/programs.js';
import { freePorts } from '../e2e/processes.js';

export interface StoreKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** What a server takes before it asks for anybody's keys. */
const anyKeys: StoreKeys = { accessKeyId: 'nobody', secretAccessKey: 'nothing' };
const region = 'us-east-1';

export class MotoServer {
  readonly url: string;
  keys: StoreKeys = anyKeys;
  readonly #process: ChildProcess;

  private constructor(url: string, child: ChildProcess) {
    this.url = url;
    this.#process = child;
  }

  /** @param program the path of moto_server */
  static async start(program: string): Promise<MotoServer> {
    const [port = 0] = await freePorts(1);
    const child = spawn(program, ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
    const server = new MotoServer(`http://127.0.0.1:${port}`, child);
    while (!(await server.#answers())) {
      if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}`);
      await soon(100);
    }
    return server;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#process.once('close', resolve));
    this.#process.kill('SIGKILL');
    await closed;
  }

  /** From now on a request must be signed by keys of a user, who may do all that the policy allows. */
  async askForKeys(actions: string): Promise<void> {
    const policy = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: actions, Resource: '*' }] };
    await this.#iam({ Action: 'CreateUser', UserName: 'reader' });
    const named = { UserName: 'reader', PolicyName: 'reads', PolicyDocument: JSON.stringify(policy) };
    await this.#iam({ Action: 'PutUserPolicy', ...named });
    const made = await this.#iam({ Action: 'CreateAccessKey', UserName: 'reader' });
    const [, accessKeyId = ''] = /<AccessKeyId>([^<]+)/.exec(made) ?? [];
    const [, secretAccessKey = ''] = /<SecretAccessKey>([^<]+)/.exec(made) ?? [];
    this.keys = { accessKeyId, secretAccessKey };
    await fetch(`${this.url}/moto-api/reset-auth`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain' },
      body: '0',
    });
  }

  async put(path: string, body: string | Uint8Array<ArrayBuffer> = ''): Promise<void> {
    await this.#send(`${this.url}/${path}`, { method: 'PUT', body, service: 's3' });
  }

  async #answers(): Promise<boolean> {
    return fetch(`${this.url}/moto-api/`).then(
      ({ ok }) => ok,
      () => false,
    );
  }

  #iam(fields: Record<string, string>): Promise<string> {
    const body = new URLSearchParams({ ...fields, Version: '2010-05-08' }).toString();
    return this.#send(`${this.url}/`, { method: 'POST', body, service: 'iam' });
  }

  async #send(
    url: string,
    { method, body, service }: { method: string; body: string | Uint8Array<ArrayBuffer>; service: string },
  ): Promise<string> {
    const headers = service === 'iam' ? { 'content-type': 'application/x-www-form-urlencoded' } : {};
    const signer = new AwsV4Signer({ url, method, body, headers, service, region, ...this.keys });
    const signed = await signer.sign();
    const answer = await fetch(signed.url, { method, headers: signed.headers, body });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${text}`);
    return text;
  }
}
