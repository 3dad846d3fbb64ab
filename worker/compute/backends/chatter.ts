/**
 * tfjs tells developers on the console what a user of this program can do nothing about, in the middle of a run's lines
 * (an initializer that may be slow, shapes that are not what a layer expects). What is wrong reaches the user as an error.
 */

const methods = ['debug', 'info', 'log', 'warn'] as const;

let isKept = false;

/** Keeps what tfjs tells the console from it, and lets everything else through: plug-ins may speak. Once a process. */
export function keepChatter(): void {
  if (isKept) return;
  isKept = true;
  for (const method of methods) {
    const tell = console[method].bind(console);
    console[method] = (...args: unknown[]) => {
      if (!isFromTfjs(new Error().stack)) tell(...args);
    };
  }
}

/** Whether the function that called the console's, the third line of its stack, is one of tfjs. */
export function isFromTfjs(stack: string | undefined): boolean {
  return /[\\/]@tensorflow[\\/]tfjs/.test(stack?.split('\n')[2] ?? '');
}
