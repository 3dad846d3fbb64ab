/**
 * The checksum of a chunk: 32 bits of the kernels' fast hash, five times as fast as CRC-32. It finds what a network
 * does to bytes, and proves nothing against an attacker. Bytes that lie in a replica's memory are hashed there
 * (Replica.checksum); others, of a frame, a file or a test, are copied into a memory of this module's own.
 */
import { loadKernels, type Kernels } from './kernels/kernels.js';
import { createMemory } from './kernels/memory.js';

/** A memory to hash in, as large as the largest chunk so far. */
interface Scratch {
  readonly bytes: Uint8Array;
  readonly kernels: Kernels;
}

let scratch: Scratch | undefined;

/** 32 bits, for bytes outside a replica's memory: they are copied. */
export function checksumOf(bytes: Uint8Array): number {
  if (scratch === undefined || scratch.bytes.length < bytes.length) {
    const memory = createMemory(bytes.length);
    scratch = { bytes: new Uint8Array(memory.buffer), kernels: loadKernels(memory) };
  }
  scratch.bytes.set(bytes);
  return scratch.kernels.checksum(0, bytes.length);
}
