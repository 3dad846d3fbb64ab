/** Signed requests to the buckets of an S3-compatible store, and what its answers say (Amazon S3 API Reference). */
import type { IncomingMessage } from 'node:http';
import { AwsV4Signer } from 'aws4fetch';
import { exitCodes, UserError } from '../../../shared/errors.js';
import { decoded, escapedPath } from './addresses.js';
import { OutOfReach, textOf, type AskOptions, type HttpClient } from './http-client.js';
import type { S3Keys } from './s3-roles.js';
import type { S3Settings } from './s3-settings.js';
import { textIn } from './xml.js';

/** What a request asks for. */
export interface S3Request {
  readonly bucket: string;
  /** Empty: the bucket itself. */
  readonly key?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly method?: 'GET' | 'HEAD';
  readonly headers?: Readonly<Record<string, string>>;
}

/** An object as the list of a bucket names it. */
export interface ListedObject {
  readonly key: string;
  readonly bytes: number;
  readonly etag: string | null;
  readonly modified: string | null;
}

export class S3Client {
  readonly #http: HttpClient;
  readonly #settings: S3Settings;
  /** By bucket, where the store has said that it lies in another region than the settings name. */
  readonly #regions = new Map<string, string>();

  constructor(http: HttpClient, settings: S3Settings) {
    this.#http = http;
    this.#settings = settings;
  }

  /** Asks until an answer comes that is no passing failure. @throws as `HttpClient.ask` */
  async ask(request: S3Request): Promise<IncomingMessage> {
    return this.#inRegion(request, (url, options) => this.#http.ask(url, options));
  }

  /** One attempt. @throws as `HttpClient.askOnce` */
  async askOnce(request: S3Request): Promise<IncomingMessage> {
    return this.#inRegion(request, (url, options) => this.#http.askOnce(url, options));
  }

  /** The objects whose keys begin so, by key. @param most so many at most @throws UserError 2, OutOfReach (69) */
  async list(bucket: string, prefix: string, most = Infinity): Promise<ListedObject[]> {
    const objects: ListedObject[] = [];
    const tokens = new Set<string>();
    let token: string | undefined;
    do {
      const query = {
        'list-type': '2',
        'encoding-type': 'url',
        prefix,
        ...(most === Infinity ? {} : { 'max-keys': String(most) }),
        ...(token === undefined ? {} : { 'continuation-token': token }),
      };
      const page = await this.#http.trying(nameOf(bucket, prefix), async () => {
        const response = await this.askOnce({ bucket, query });
        if (response.statusCode !== 200) throw await problemOf(response, { bucket, key: prefix });
        return textOf(response, longestPage);
      });
      const isEscaped = textIn(page, 'EncodingType') === 'url';
      for (const [, entry = ''] of page.matchAll(/<Contents>([\s\S]*?)<\/Contents>/g))
        objects.push(listedOf(entry, isEscaped));
      token = nextToken(page, nameOf(bucket, prefix), tokens);
    } while (token !== undefined && objects.length < most);
    return objects;
  }

  /** Where the bucket lies in another region, which the store names, the request is made again there. */
  async #inRegion(
    request: S3Request,
    send: (url: string, options: AskOptions) => Promise<IncomingMessage>,
  ): Promise<IncomingMessage> {
    const { bucket } = request;
    const response = await send(this.#urlOf(request), this.#optionsOf(request));
    const { [regionHeader]: region } = response.headers;
    const isElsewhere = typeof region === 'string' && region !== this.#regionOf(bucket);
    if (!isElsewhere || ![301, 307, 400, 403].includes(response.statusCode ?? 0)) return response;
    response.destroy();
    this.#regions.set(bucket, region);
    return send(this.#urlOf(request), this.#optionsOf(request));
  }

  #regionOf(bucket: string): string {
    return this.#regions.get(bucket) ?? this.#settings.region;
  }

  /** The bucket stands in the path, but for Amazon's own store, where it stands before the host's name. */
  #urlOf({ bucket, key = '', query = {} }: S3Request): string {
    const host = `s3.${this.#regionOf(bucket)}.amazonaws.com`;
    const { endpoint } = this.#settings;
    const root =
      endpoint === null && !bucket.includes('.')
        ? `https://${bucket}.${host}/`
        : `${endpoint ?? `https://${host}`}/${bucket}/`;
    const fields = Object.entries(query).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
    return `${root}${escapedPath(key)}${fields.length === 0 ? '' : `?${fields.join('&')}`}`;
  }

  #optionsOf(request: S3Request): AskOptions {
    const { bucket, key = '', method = 'GET', headers = {} } = request;
    const { keysNow, endpoint } = this.#settings;
    const authorize: AskOptions['authorize'] = async (url, verb, given) => {
      const keys = await keysNow();
      if (keys === null) return {};
      const signer = new AwsV4Signer({
        method: verb,
        url: url.href,
        headers: { ...given },
        ...keysOnly(keys),
        service: 's3',
        region: this.#regionOf(bucket),
      });
      return Object.fromEntries((await signer.sign()).headers);
    };
    return { address: nameOf(bucket, key), method, headers, authorize, isPlainAllowed: endpoint !== null };
  }
}

const regionHeader = 'x-amz-bucket-region';
/** A thousand keys of 1,024 bytes, each of which may be escaped to three times its length. */
const longestPage = 16 << 20;

function keysOnly({ accessKeyId, secretAccessKey, sessionToken }: S3Keys): {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
} {
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}

export function nameOf(bucket: string, key: string): string {
  return `s3://${bucket}/${key}`;
}

/**
 * The token of the page that follows; undefined behind the last one.
 * @param seen the tokens of this list so far, to which it is added
 * @throws OutOfReach (69) where a page says that more follows, and gives no token for it or one that it gave before
 */
function nextToken(page: string, name: string, seen: Set<string>): string | undefined {
  if (textIn(page, 'IsTruncated') !== 'true') return undefined;
  const token = textIn(page, 'NextContinuationToken') ?? '';
  if (token === '' || seen.has(token))
    throw new OutOfReach(name, `its list says that more follows, with ${token === '' ? 'no token' : 'a token twice'}`);
  seen.add(token);
  return token;
}

function listedOf(entry: string, isEscaped: boolean): ListedObject {
  const key = textIn(entry, 'Key') ?? '';
  return {
    key: isEscaped ? decoded(key.replaceAll('+', ' ')) : key,
    bytes: Number(textIn(entry, 'Size') ?? Number.NaN),
    etag: textIn(entry, 'ETag'),
    modified: textIn(entry, 'LastModified'),
  };
}

const plainWords = new Map([
  ['NoSuchBucket', 'there is no such bucket'],
  ['NoSuchKey', 'there is no such object'],
  ['SignatureDoesNotMatch', 'the secret key is not the one of the access key'],
  ['InvalidAccessKeyId', 'the access key is not known'],
  ['ExpiredToken', 'the session has expired'],
  ['RequestTimeTooSkewed', "this machine's clock is wrong"],
  ['AccessDenied', 'these credentials may not read it'],
]);

/** What an answer that refuses means, by the code in its body. */
export async function problemOf(response: IncomingMessage, { bucket, key = '' }: S3Request): Promise<UserError> {
  const { statusCode: status = 0 } = response;
  const code = textIn(await textOf(response), 'Code');
  const name = nameOf(bucket, key);
  if (![400, 401, 403, 404].includes(status))
    return new OutOfReach(name, `it answers ${status}${code === null ? '' : ` ${code}`}`);
  const said = code === null ? `${status}` : `${status} ${code}: ${plainWords.get(code) ?? 'refused'}`;
  return new UserError(`${name}: the store answers ${said}; what may be read was wanted`, exitCodes.usage);
}
