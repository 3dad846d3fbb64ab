/**
 * The pieces in which a payload longer than a frame travels, whatever the plane (plane.ts), and in which the log of
 * commits is checked. Both ends know them by the payload's length alone, and a commit's checksums are taken once for all
 * workers. Pure.
 */
import { limits } from '../protocol/messages.js';

/** The bytes [offset, offset + length) of a payload. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** One of the pieces of a payload. */
export interface ChunkRange extends ByteRange {
  /** Its place among the pieces, from 0. */
  readonly index: number;
}

/**
 * Cuts a payload.
 *
 * @param total length of the payload in bytes
 * @param chunkBytes length of every piece but the last, which may be shorter
 * @returns half-open ranges that cover [0, total) once, in order; none for 0
 */
export function split(total: number, chunkBytes: number = limits.chunkBytes): ChunkRange[] {
  return Array.from({ length: Math.ceil(total / chunkBytes) }, (_, index) => ({
    index,
    offset: index * chunkBytes,
    length: Math.min(chunkBytes, total - index * chunkBytes),
  }));
}
