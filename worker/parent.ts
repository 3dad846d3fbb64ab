/**
 * The parent of a local worker, or of one of several of a host: the process that started it and holds its standard input.
 * Such a worker ends with its parent, however that one ends.
 */

/** Calls `onEnd` once or more when the parent is gone. @returns a function that stops watching */
export function watchParent(onEnd: () => void): () => void {
  process.stdin.on('end', onEnd).on('close', onEnd).resume();
  process.on('disconnect', onEnd);
  return () => {
    process.off('disconnect', onEnd);
    process.stdin.off('end', onEnd).off('close', onEnd).pause();
  };
}

/** Why a worker ends without its parent, in words. */
export const parentEnded = 'its parent process ended';
