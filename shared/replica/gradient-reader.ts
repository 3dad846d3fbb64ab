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
    for (const { from, to, updates } of this.#inPieces()) {
      if (updates.length === 0) continue;
      codec.decode(window, at, from, to - from);
      // `use` is told where the whole gradient would begin, so that its offsets count from there.
      use(window - 4 * from, updates);
    }
  }

  /**
   * As `read`, but piece by piece also what is float32, each small enough to stay in the cache.
   *
   * @param around is called for every piece of the gradient, in order, and calls what reads it, which is `use`
   */
  readPieces(at: number, codec: GradientCodec | null, use: UpdateRanges, around: AroundPiece): void {
    const { window } = this.#options;
    for (const { from, to, updates } of this.#inPieces()) {
      around(from, to, () => {
        if (updates.length === 0) return;
        if (codec === null) return use(at, updates);
        codec.decode(window, at, from, to - from);
        use(window - 4 * from, updates);
      });
    }
  }

  #inPieces(): readonly Piece[] {
    return (this.#pieces ??= piecesOf(this.#options));
  }
}

/** Takes the piece of the floats [from, to). */
export type AroundPiece = (from: number, to: number, use: () => void) => void;

function piecesOf({ updates, floats, windowFloats }: GradientReaderOptions): Piece[] {
  return Array.from({ length: Math.ceil(floats / windowFloats) }, (_, i): Piece => {
    const [from, to] = [i * windowFloats, Math.min((i + 1) * windowFloats, floats)];
    return { from, to, updates: updatesIn(updates, from, to) };
  });
}

/** The parts of update ranges that lie in [from, to). */
function updatesIn(updates: readonly UpdateRange[], from: number, to: number): UpdateRange[] {
  return updates.flatMap(({ group, offset, floats }) => {
    const [start, end] = [Math.max(offset, from), Math.min(offset + floats, to)];
    return start < end ? [{ group, offset: start, floats: end - start }] : [];
  });
}
