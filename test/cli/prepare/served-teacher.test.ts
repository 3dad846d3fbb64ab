/** What a preparation asks of a teacher's server, and how long it waits. */
import { createServer, type Server } from 'node:net';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { describeTeacher } from '../../../cli/prepare/served-teacher.js';
import { teacherSchema } from '../../../shared/recipe/model-schema.js';

const servers: Server[] = [];
const folders: string[] = [];
afterEach(() => {
  servers.splice(0).forEach((server) => server.close());
  folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true }));
});

describe('a server that takes connections and says nothing', () => {
  it('is waited for no longer than one deadline, however many attempts there may be', async () => {
    const server = createServer();
    servers.push(server);
    let connections = 0;
    server.on('connection', (socket) => {
      connections++;
      server.once('close', () => socket.destroy());
      socket.on('error', () => undefined).resume();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const folder = mkdtempSync(join(tmpdir(), 'stillhouse-served-'));
    folders.push(folder);
    const teacher = teacherSchema.parse({
      name: 'far',
      url: `${base}/v2/models/wide`,
      request: { deadlineSeconds: 0.5, retries: 100 },
    });
    const pauses: number[] = [];
    const asked = describeTeacher(teacher, {
      folder,
      cache: folder,
      pause: async (ms) => void pauses.push(ms),
    });
    await expect(asked).rejects.toMatchObject({
      exitCode: 69,
      message: expect.stringMatching(
        /^teacher far: http:\/\/127\.0\.0\.1:\d+\/v2\S*: no answer within 0\.5 s, 1 time within 0\.5 s for all questions; a server that answers wanted$/,
      ) as string,
    });
    expect([connections > 0, pauses]).toEqual([true, []]);
  });
});
