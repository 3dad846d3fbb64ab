/**
 * The pieces that payloads are hashed in, on every plane (shared/exchange/plane.ts) and in the log of commits. Both ends know them by the
 * payload's length alone. A chunk, which is what one control message brings, is one piece or several that follow each
 * other. Pure.
 */
import { limits } from '../protocol/messages.js';

/** The bytes [offset, offset + length) of a payload. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/**
 * Cuts a payload.
 *
 * @param total length of the payload in bytes
 * @param pieceBytes length of every piece but the last, which may be shorter
 * @returns half-open ranges that cover [0, total) once, in order; none for 0
 */
export function split(total: number, pieceBytes: number = limits.pieceBytes): ByteRange[] {
  return Array.from({ length: Math.ceil(total / pieceBytes) }, (_, i) => ({
    offset: i * pieceBytes,
    length: Math.min(pieceBytes, total - i * pieceBytes),
  }));
}

/** The hashes of those pieces that lie in a chunk, whose beginning is the beginning of a piece. */
export function piecesIn<T>(pieces: readonly T[], { offset, length }: ByteRange): T[] {
  return pieces.slice(offset / limits.pieceBytes, Math.ceil((offset + length) / limits.pieceBytes));
}
