/**
 * Workers that come after the end of their run. A coordinator that was killed between its results and its workers' goodbye
 * is started again by its scheduler: the workers, which wait for it meanwhile, are told then that the run is done.
 */
import { answer, answerJson } from './server/artifacts.js';
import type { Admission, AdmissionOptions, RequestHandler } from './server/server.js';
import { listen } from './server/server.js';
import { SocketChannel } from './server/socket-channel.js';
import { SendQueue } from './exchange/send-queue.js';
import { parseLabelPath, type LabelLease } from '../shared/protocol/label-messages.js';
import type { Down } from '../shared/protocol/messages.js';
import { systemTimers } from '../shared/timers.js';

export interface LateWorkersOptions extends Pick<AdmissionOptions, 'host' | 'port' | 'credentials' | 'tls'> {
  /** What each is told; its text is shown. */
  readonly end: Down<'end'>;
  /** How long they are waited for, in milliseconds: longer than a worker waits between two attempts. */
  readonly waitMs: number;
  /** Aborted to wait no longer. */
  readonly stop: AbortSignal;
  readonly onListening: (port: number) => void;
  /** Called with a line for the user. */
  readonly onNotice: (line: string) => void;
}

/** @returns how many were told, without those that only label. @throws UserError (69) where the port is in use */
export async function tellLateWorkers(options: LateWorkersOptions): Promise<number> {
  const { end, waitMs, stop, onListening, onNotice } = options;
  let told = 0;
  const admission: Admission = await listen({
    ...options,
    find: () => undefined,
    labels: noMoreLabels,
    isReady: () => true,
    onError: (error) =>
      onNotice(`a request could not be answered: ${error instanceof Error ? error.message : 'failed'}`),
    onWorker: (socket, transport, origin) => {
      const channel = new SocketChannel(socket, transport, origin);
      const queue = new SendQueue(channel, systemTimers);
      let isTold = false;
      // It is the answer to its hello: a worker does not hear what comes before that. Then it closes the connection.
      const onFrame = (): void => {
        if (isTold) return;
        isTold = true;
        told++;
        queue.send(end);
      };
      channel.listen({ onFrame, onClosed: () => queue.closed() });
    },
  });
  try {
    onListening(admission.port);
    await waited(waitMs, stop);
  } finally {
    await admission.close();
  }
  return told;
}

/** Answers workers that only label: no label is wanted any more. */
const noMoreLabels: RequestHandler = {
  serve: async (request, response) => {
    const asked = `${request.method} ${parseLabelPath(request.url ?? '')?.type}`;
    if (asked !== 'GET run' && asked !== 'POST lease') return false;
    request.resume();
    if (asked === 'GET run') return answer(response, 410, 'the run is done: no more labels are wanted');
    return answerJson(response, 200, { type: 'done' } satisfies LabelLease);
  },
};

function waited(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      cancel();
      stop.removeEventListener('abort', end);
      resolve();
    };
    const cancel = systemTimers.after(ms, end);
    stop.addEventListener('abort', end, { once: true });
    if (stop.aborted) end();
  });
}
