/**
 * Reads a gradient as float32, whatever its encoding. One that is float32 is read where it lies; a rounded one passes,
 * piece by piece, through a window of the memory that is small enough to stay in the processor's cache.
 */
import type { UpdateRange, UpdateRanges } from './optimizer/update.js';
import type { GradientCodec } from './reduction/encoding.js';

interface Piece {
  /** Half-open, in floats from the start of the gradient. */
  readonly from: number;
  readonly to: number;
  /** The ranges of the piece that the optimizer moves. */
  readonly updates: readonly UpdateRange[];
}

/** What is read of a gradient, and the window that a rounded one passes through. */
export interface GradientReaderOptions {
  /** What the optimizer moves: nothing else is read. */
  readonly updates: readonly UpdateRange[];
  /** Floats of a whole gradient. */
  readonly floats: number;
  /** Byte offset of the window. */
  readonly window: number;
  /** Floats of the window, a multiple of the encodings' blocks where a gradient has more than one piece. */
  readonly windowFloats: number;
}

/** Reads the gradients of one replica. */
export class GradientReader {
  readonly #options: GradientReaderOptions;
  #pieces: readonly Piece[] | null = null;

  constructor(options: GradientReaderOptions) {
    this.#options = options;
  }

  /**
   * Calls `use` until it has seen all that the optimizer moves, in order.
   *
   * @param at byte offset of the gradient
   * @param codec its encoding; null for float32
   */
  read(at: number, codec: GradientCodec | null, use: UpdateRanges): void {
    if (codec === null) return use(at, this.#options.updates);
    const { window } = this.#options;
    this.#pieces ??= piecesOf(this.#options);
    for (const { from, to, updates } of this.#pieces) {
      codec.decode(window, at, from, to - from);
      // `use` is told where the whole gradient would begin, so that its offsets count from there.
      use(window - 4 * from, updates);
    }
  }
}

/** The pieces that hold something that moves. */
function piecesOf({ updates, floats, windowFloats }: GradientReaderOptions): Piece[] {
  const pieces = Array.from({ length: Math.ceil(floats / windowFloats) }, (_, i): Piece => {
    const [from, to] = [i * windowFloats, Math.min((i + 1) * windowFloats, floats)];
    return { from, to, updates: updatesIn(updates, from, to) };
  });
  return pieces.filter((piece) => piece.updates.length > 0);
}

/** The parts of update ranges that lie in [from, to). */
function updatesIn(updates: readonly UpdateRange[], from: number, to: number): UpdateRange[] {
  return updates.flatMap(({ group, offset, floats }) => {
    const [start, end] = [Math.max(offset, from), Math.min(offset + floats, to)];
    return start < end ? [{ group, offset: start, floats: end - start }] : [];
  });
}
