// The image's health check: a coordinator must answer on /livez; of anything else it is enough that process 1 is alive.
import { readFileSync } from 'node:fs';

const command = readFileSync('/proc/1/cmdline', 'utf8').split('\0');
const listen = command[command.indexOf('--listen') + 1] ?? '';
const port = /:(\d+)$/.exec(listen)?.[1];
if (command.includes('coordinator') && port !== undefined) {
  const response = await fetch(`http://127.0.0.1:${port}/livez`, { signal: AbortSignal.timeout(4000) });
  if (!response.ok) throw new Error(`/livez answers ${response.status}`);
}
