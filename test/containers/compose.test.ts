/** The files of deploy/compose as Compose itself reads them, alone and one over the other. */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';

const run = promisify(execFile);
const deploy = fileURLToPath(new URL('../../deploy/', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'stillhouse-compose-'));

/** What Compose makes of these files. */
async function config(...files: readonly string[]): Promise<unknown> {
  const { stdout } = await run('docker-compose', [...files.flatMap((file) => ['-f', file]), 'config'], {
    cwd: join(folder, 'compose'),
    env: { ...process.env, STILLHOUSE_TEACHER_TOKENS: 'gpu-host=secret' },
  });
  return parse(stdout);
}

beforeAll(() => {
  for (const part of ['compose', 'monitoring']) cpSync(join(deploy, part), join(folder, part), { recursive: true });
  mkdirSync(join(folder, 'compose/tls'), { recursive: true });
  // Secrets have to be there, whatever they hold.
  for (const name of ['token', 'tokens', 'viewer']) writeFileSync(join(folder, 'compose', name), '');
  for (const name of ['ca.pem', 'server.pem', 'server.key', 'client.pem', 'client.key'])
    writeFileSync(join(folder, 'compose/tls', name), '');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('docker-compose config', () => {
  it.each([
    [[], { coordinator: {}, 'worker-1': {}, 'worker-2': {} }],
    [['tls.yaml'], { 'worker-2': { environment: { STILLHOUSE_TLS_CA: '/run/secrets/ca.pem' } } }],
    [
      ['labels.yaml'],
      {
        coordinator: { environment: { STILLHOUSE_TEACHER_TOKENS: 'gpu-host=secret' } },
        'worker-1': expect.not.objectContaining({ environment: expect.anything() as unknown }) as unknown,
        'label-1': {
          command: expect.arrayContaining(['--role', 'label']) as unknown,
          environment: { STILLHOUSE_TEACHER_TOKENS: 'gpu-host=secret' },
        },
      },
    ],
    [['gpu.yaml'], { 'worker-1': { command: expect.arrayContaining(['--gpu']) as unknown } }],
    [
      ['monitoring.yaml'],
      {
        coordinator: { command: expect.arrayContaining(['/run/secrets/tokens']) as unknown },
        prometheus: { ports: ['127.0.0.1:9090:9090/tcp'] },
        grafana: { ports: ['127.0.0.1:3000:3000/tcp'] },
      },
    ],
  ])('takes compose.yaml with %j over it', async (overlays, services) => {
    expect(await config('compose.yaml', ...overlays)).toMatchObject({ services });
  });

  it('refuses what is no file of Compose', async () => {
    writeFileSync(join(folder, 'compose/wrong.yaml'), 'services: { coordinator: { comand: [] } }\n');
    await expect(config('compose.yaml', 'wrong.yaml')).rejects.toThrow(/comand/);
  });
});
