// The image's health check: a coordinator must answer on /livez; of anything else it is enough that process 1 is alive.
import { readFileSync } from 'node:fs';
import { get as getPlain } from 'node:http';
import { get as getEncrypted } from 'node:https';

const command = readFileSync('/proc/1/cmdline', 'utf8').split('\0');
const listen = command[command.indexOf('--listen') + 1] ?? '';
const port = /:(\d+)$/.exec(listen)?.[1];
if (command.includes('coordinator') && port !== undefined) {
  const { STILLHOUSE_TLS, STILLHOUSE_TLS_CERT } = process.env;
  const isEncrypted =
    Boolean(STILLHOUSE_TLS ?? STILLHOUSE_TLS_CERT) || command.includes('--tls') || command.includes('--tls-cert');
  const status = await statusOf(`${isEncrypted ? 'https' : 'http'}://127.0.0.1:${port}/livez`);
  // Whether it lives is asked, not who it is; one that demands certificates answers 403.
  if (status !== 200 && !(isEncrypted && status === 403)) throw new Error(`/livez answers ${status}`);
}

function statusOf(url) {
  const get = url.startsWith('https:') ? getEncrypted : getPlain;
  return new Promise((resolve, reject) => {
    const request = get(url, { rejectUnauthorized: false, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.setTimeout(4000, () => request.destroy(new Error('/livez does not answer')));
    request.on('error', reject);
  });
}
