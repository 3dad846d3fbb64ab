/** How this program starts itself again, for worker processes. */
import { fileURLToPath } from 'node:url';

/** The command line up to the verb: node, its options, cli.js. */
export const thisProgram: readonly string[] = [
  process.execPath,
  ...process.execArgv,
  fileURLToPath(new URL('../cli.js', import.meta.url)),
];
