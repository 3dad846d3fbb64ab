/**
 * A run of a graph into memory of ours. The binding writes the outputs there, and gives each of them back as a copy
 * besides: memory beside V8's heap, for which V8 would collect the whole heap every other step.
 */
import { MessageChannel } from 'node:worker_threads';
import type { InferenceSession, Tensor } from 'onnxruntime-node';

type Tensors = Readonly<Record<string, Tensor>>;

/** What is moved into a channel whose other end is closed is free at once. */
const nowhere = ((): MessageChannel['port1'] => {
  const { port1, port2 } = new MessageChannel();
  port2.close();
  return port1;
})();

/** Runs a graph on `feeds`. Its outputs lie in the memory of `results` then, and nowhere else. */
export async function runInto(session: InferenceSession, feeds: Tensors, results: Tensors): Promise<void> {
  const copies = await session.run(feeds, results);
  nowhere.postMessage(
    null,
    Object.values(copies).flatMap(({ data }) =>
      'buffer' in data && data.buffer instanceof ArrayBuffer ? [data.buffer] : [],
    ),
  );
}
