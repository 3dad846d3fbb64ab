/**
 * Hashes of payloads by pieces (pieces.ts). A payload is hashed once, piece by piece, where it is made
 * and where it has come to, while each piece is in the processor's cache. From these hashes follow the digest of the
 * whole, the checksum of a chunk on its way, and what the log checks its bytes by. The hash is the kernels' fast one: it
 * finds what networks, disks and memory do to bytes, and proves nothing against an attacker. Bytes that lie in a
 * replica's memory are hashed there (Replica.hashPiece); others, of a file or a test, are copied into a memory of this
 * module's own.
 */
import { split } from './pieces.js';
import { loadKernels, type Kernels } from './kernels/kernels.js';
import { createMemory } from './kernels/memory.js';

/** A memory to hash in, as large as the largest piece so far. */
interface Scratch {
  readonly bytes: Uint8Array;
  readonly kernels: Kernels;
}

let scratch: Scratch | undefined;

/** Hash of a piece, 16 hex digits, for bytes outside a replica's memory: they are copied. */
export function hashOf(bytes: Uint8Array): string {
  if (scratch === undefined || scratch.bytes.length < bytes.length) {
    const memory = createMemory(bytes.length);
    scratch = { bytes: new Uint8Array(memory.buffer), kernels: loadKernels(memory) };
  }
  scratch.bytes.set(bytes);
  return scratch.kernels.hash(0, bytes.length);
}

/** Hashes of the pieces of a payload, in order. @param hash takes the hash of one */
export function pieceHashes(payload: Uint8Array, hash: (piece: Uint8Array) => string = hashOf): string[] {
  return split(payload.length).map(({ offset, length }) => hash(payload.subarray(offset, offset + length)));
}

/** The digest of a payload by the hashes of its pieces, 16 hex digits; that of a single piece is its hash. */
export function digestOf(hashes: readonly string[]): string {
  const [only, ...others] = hashes;
  return only !== undefined && others.length === 0 ? only : hashOf(Buffer.from(hashes.join(''), 'latin1'));
}

/** The checksum of a chunk by the hashes of its pieces: the lower 32 bits of their digest. */
export function checksumOf(hashes: readonly string[]): number {
  return Number.parseInt(digestOf(hashes).slice(8), 16);
}
