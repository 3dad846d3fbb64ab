/**
 * The plane that carries bulk bytes inline, in the control messages themselves. It needs no more than the WebSocket, so
 * it works between any two machines.
 */
import { badChunk, ChunkReceiver, type ChunkSource } from '../chunk-receiver.js';
import { limits } from '../../protocol/messages.js';
import type { Plane } from '../plane.js';

/** The bytes that come inline with a control message. */
export const inlineSource: ChunkSource = {
  lengthOf: ({ placed, offset }, payload) => {
    if (placed !== undefined) throw badChunk(`chunk at ${offset} without its bytes; this connection shares no file`);
    return payload.length;
  },
  copy: (_header, payload, { offset, target }) => target.set(payload.subarray(offset, offset + target.length)),
};

export const socketPlane: Plane = {
  name: 'socket',
  isFull: false,
  chunkBytes: limits.pieceBytes,
  bytes: { received: 0, sent: 0 },
  send: (header, bytes) => ({ header, payload: bytes }),
  receive: (target, hash) => new ChunkReceiver(inlineSource, target, hash),
  handled: () => undefined,
  taken: (chunks) => {
    throw badChunk(`${chunks} chunks read of a file; this connection shares none`);
  },
  close: () => undefined,
};
