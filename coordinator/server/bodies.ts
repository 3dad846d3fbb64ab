/** Bodies of requests that announce their length. */
import type { IncomingMessage } from 'node:http';

/** A peer that sends nothing for so long in the middle of a body is cut off. */
const idleMs = 20_000;

/** Exactly `length` bytes; null when the peer goes away, falls silent or sends another number of bytes. */
export async function readBody(request: IncomingMessage, length: number): Promise<Uint8Array | null> {
  const bytes = new Uint8Array(length);
  let at = 0;
  request.setTimeout(idleMs, () => request.destroy());
  try {
    for await (const piece of request) {
      if (!(piece instanceof Uint8Array) || at + piece.length > length) return null;
      bytes.set(piece, at);
      at += piece.length;
    }
  } catch (error) {
    if (request.destroyed) return null;
    throw error;
  }
  return at === length ? bytes : null;
}
