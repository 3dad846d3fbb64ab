/**
 * A server on loopback that speaks the Open Inference Protocol, version 2, over an ONNX model, for tests. What it
 * answers to a request for a forward can be changed at any time.
 */
import { readFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import { InferenceSession, Tensor } from 'onnxruntime-node';

/** What a test has it answer. */
export interface ServerBehaviour {
  /** Whether it takes and gives tensors as bytes. */
  isBinary: boolean;
  version: string;
  versions: string[];
  /** Whether its metadata has the model's inputs and outputs. */
  isDescribed: boolean;
  /** Answers in its place; returns false to let it answer. `n` counts the requests for a forward from 1. */
  answer: (response: ServerResponse, n: number) => boolean | Promise<boolean>;
  /** Changes an output before it is sent. */
  change: (values: Float32Array, shape: number[]) => { values: Float32Array; shape: number[] };
}

export interface TestModelServer {
  readonly url: string;
  readonly port: number;
  readonly behaviour: ServerBehaviour;
  /** Of the requests for a forward, in their order. */
  readonly asked: IncomingHttpHeaders[];
  /** The most requests for a forward that were open at a time. */
  readonly mostAtOnce: number;
  stop(): Promise<void>;
}

interface Sent {
  inputs: { name: string; shape: number[]; datatype: string; data?: number[] }[];
  outputs: { name: string }[];
}

/** @param path of an ONNX model with one input and one output of floats */
export async function startModelServer(path: string, changes: Partial<ServerBehaviour> = {}): Promise<TestModelServer> {
  const session = await InferenceSession.create(readFileSync(path), { intraOpNumThreads: 1 });
  const [input, output] = [session.inputMetadata[0], session.outputMetadata[0]];
  if (input?.isTensor !== true || output?.isTensor !== true) throw new Error('no tensors');
  const sizes = (shape: readonly (number | string)[]) => shape.map((dim) => (typeof dim === 'number' ? dim : -1));
  const behaviour: ServerBehaviour = {
    isBinary: true,
    version: '3',
    versions: ['3'],
    isDescribed: true,
    answer: () => false,
    change: (values, shape) => ({ values, shape }),
    ...changes,
  };
  const asked: IncomingHttpHeaders[] = [];
  const counts = { open: 0, most: 0 };
  const infer = async (headers: IncomingHttpHeaders, body: Buffer, response: ServerResponse): Promise<void> => {
    asked.push(headers);
    if (await behaviour.answer(response, asked.length)) return;
    const head = headers['inference-header-content-length'];
    const json = JSON.parse(body.subarray(0, head === undefined ? body.length : Number(head)).toString()) as Sent;
    const [sent] = json.inputs;
    if (sent === undefined) throw new Error('no input');
    const values =
      head === undefined
        ? Float32Array.from(sent.data ?? [])
        : new Float32Array(Uint8Array.from(body.subarray(Number(head))).buffer);
    const results = await session.run({ [input.name]: new Tensor('float32', values, sent.shape) });
    const found = results[output.name];
    if (found === undefined) throw new Error('no output');
    const given = behaviour.change(found.data as Float32Array, [...found.dims]);
    const raw = Buffer.from(given.values.buffer, given.values.byteOffset, given.values.byteLength);
    const described = {
      model_name: 'tiny',
      model_version: behaviour.version,
      outputs: [
        {
          name: output.name,
          datatype: 'FP32',
          shape: given.shape,
          ...(head === undefined ? { data: [...given.values] } : { parameters: { binary_data_size: raw.length } }),
        },
      ],
    };
    const text = Buffer.from(JSON.stringify(described));
    response.setHeader('content-type', 'application/octet-stream');
    if (head !== undefined) response.setHeader('inference-header-content-length', text.length);
    response.end(head === undefined ? text : Buffer.concat([text, raw]));
  };
  const metadata = () => ({
    name: 'tiny',
    versions: behaviour.versions,
    platform: 'onnxruntime_onnx',
    ...(behaviour.isDescribed
      ? {
          inputs: [{ name: input.name, datatype: 'FP32', shape: [-1, ...sizes(input.shape).slice(1)] }],
          outputs: [{ name: output.name, datatype: 'FP32', shape: [-1, ...sizes(output.shape).slice(1)] }],
        }
      : {}),
  });
  const server = createServer((request, response) => {
    void (async () => {
      const { url = '', headers } = request;
      const pieces: Buffer[] = [];
      for await (const piece of request) if (piece instanceof Buffer) pieces.push(piece);
      if (url === '/v2')
        response.end(JSON.stringify({ name: 'test', extensions: behaviour.isBinary ? ['binary_tensor_data'] : [] }));
      else if (/^\/v2\/models\/tiny(\/versions\/\d+)?$/.test(url)) response.end(JSON.stringify(metadata()));
      else if (url.endsWith('/infer')) {
        counts.most = Math.max(counts.most, ++counts.open);
        await infer(headers, Buffer.concat(pieces), response).finally(() => counts.open--);
      } else {
        response.statusCode = 404;
        response.end('{"error":"no such model"}');
      }
    })().catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}/v2/models/tiny`,
    port: address.port,
    behaviour,
    asked,
    get mostAtOnce() {
      return counts.most;
    },
    async stop() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await session.release();
    },
  };
}
