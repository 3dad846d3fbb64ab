/** Unpacks the buffers of Arrow's record batches, to no more bytes than their length makes likely. */
import { LongerThanWanted, unpackLz4 } from './lz4-frame.js';
import { unpackedLimit, unpacksToMore } from './unpacking.js';
import { zstdBytes } from './zstd-frame.js';

interface Budget {
  readonly path: string;
  readonly limit: number;
  leftBytes: number;
}

/** The budget of the file that is being read: the package unpacks within one call, so no two are read at once. */
let budget: Budget | null = null;

/**
 * Has packed bytes read, which may unpack to so much together as `unpackedLimit` says of their length.
 * @throws UserError 65 where they unpack to more, 2 for a setting that is no number of bytes
 */
export function withinLimit<T>(path: string, packedBytes: number, read: () => T): T {
  const limit = unpackedLimit(packedBytes);
  budget = { path, limit, leftBytes: limit };
  try {
    return read();
  } finally {
    budget = null;
  }
}

export const unpackLz4Buffer = (packed: Uint8Array): Uint8Array => unpacked((most) => unpackLz4(packed, most));

/** @param decompress unpacks whole frames */
export function zstdUnpacker(decompress: (packed: Uint8Array) => Uint8Array): (packed: Uint8Array) => Uint8Array {
  return (packed) =>
    unpacked((most) => {
      if (zstdBytes(packed) > most) throw new LongerThanWanted();
      // Numbers are taken where they lie, so they must begin where memory does.
      return decompress(packed).slice();
    });
}

function unpacked(unpack: (mostBytes: number) => Uint8Array): Uint8Array {
  if (budget === null) throw new Error('a buffer was unpacked out of turn');
  try {
    const found = unpack(budget.leftBytes);
    budget.leftBytes -= found.length;
    return found;
  } catch (error) {
    if (error instanceof LongerThanWanted) throw unpacksToMore(budget.path, budget.limit);
    throw error;
  }
}
