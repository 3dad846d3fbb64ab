import { copyFile, readdir, readFile, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { CommitLog } from '../../../coordinator/store/log.js';
import { UserError } from '../../../shared/errors.js';
import { limits } from '../../../shared/protocol/messages.js';
import { digestOf } from '../../../shared/replica/piece-hash.js';
import { split } from '../../../shared/replica/pieces.js';
import { hashOf, payloadOf, recordOf, temporaryFolder } from '../helpers.js';

async function filled(
  folder: string,
  sizes: readonly number[],
  rotateBefore: readonly number[] = [],
): Promise<CommitLog> {
  const log = await CommitLog.open(folder);
  for (const [step, size] of sizes.entries()) {
    if (rotateBefore.includes(step)) log.rotate();
    const payload = payloadOf(step, size);
    await log.append(recordOf(step, payload), size === 0 ? null : payload);
  }
  return log;
}

describe('CommitLog', () => {
  it('gives back what was appended, also after it was opened again', async () => {
    const folder = await temporaryFolder();
    await (await filled(folder, [16, 0, 24])).close();
    const log = await CommitLog.open(folder);
    for (const [step, size] of [16, 0, 24].entries()) {
      expect(await log.read(step)).toEqual(recordOf(step, payloadOf(step, size)));
      expect(await log.readBytes(step, { offset: 0, length: size })).toEqual(payloadOf(step, size));
      expect(log.stateHashAfter(step)).toBe(hashOf(step));
    }
    expect(await log.readBytes(2, { offset: 5, length: 7 })).toEqual(payloadOf(2, 24).subarray(5, 12));
    expect(log.has(3)).toBe(false);
    await log.close();
  });

  it('loses the last record alone when its write was torn, at whatever byte', async () => {
    const folder = await temporaryFolder();
    await (await filled(folder, [16, 24])).close();
    const whole = join(folder, '0.log');
    const { size } = await stat(whole);
    const lengthOfFirst = await firstRecordBytes(whole);
    const torn = await temporaryFolder();
    for (let length = lengthOfFirst; length < size; length++) {
      await copyFile(whole, join(torn, '0.log'));
      await truncate(join(torn, '0.log'), length);
      const log = await CommitLog.open(torn);
      expect([log.has(0), log.has(1)]).toEqual([true, false]);
      await log.append(recordOf(1, payloadOf(1, 24)), payloadOf(1, 24));
      expect(await log.readBytes(1, { offset: 0, length: 24 })).toEqual(payloadOf(1, 24));
      await log.close();
      const again = await CommitLog.open(torn);
      expect([again.has(0), again.has(1)]).toEqual([true, true]);
      await again.close();
      await writeFile(join(torn, '0.log'), '');
      for (const name of await readdir(torn)) if (name !== '0.log') await writeFile(join(torn, name), '');
    }
  }, 60_000);

  it('ends before a record in which any byte was changed', async () => {
    const folder = await temporaryFolder();
    await (await filled(folder, [16, 24])).close();
    const path = join(folder, '0.log');
    const whole = await readFile(path);
    const start = await firstRecordBytes(path);
    const damaged = await temporaryFolder();
    for (let at = start; at < whole.length; at += 3) {
      const copy = Buffer.from(whole);
      copy.writeUInt8(copy.readUInt8(at) ^ 0x10, at);
      await writeFile(join(damaged, '0.log'), copy);
      const log = await CommitLog.open(damaged);
      const isPadding = log.has(1);
      await log.close();
      // Only the zeros between header and payload carry nothing.
      if (isPadding) expect(whole.readUInt8(at)).toBe(0);
    }
  }, 60_000);

  it('reads the records of earlier versions, whose bytes are checked by CRC-32, with the digest by pieces', async () => {
    const folder = await temporaryFolder();
    const payload = payloadOf(0, 2 * limits.pieceBytes + 24);
    const { hashes, ...record } = recordOf(0, payload);
    const checksums = split(payload.length).map(({ offset, length }) =>
      crc32(payload.subarray(offset, offset + length)),
    );
    const old = await CommitLog.open(folder);
    await old.append({ ...record, checksums }, payload);
    await old.close();
    const log = await CommitLog.open(folder);
    expect(await log.read(0)).toEqual({ ...record, checksums, digest: digestOf(hashes ?? []) });
    await log.close();
    const path = join(folder, '0.log');
    const bytes = await readFile(path);
    bytes[bytes.length - 30] = (bytes[bytes.length - 30] ?? 0) ^ 1;
    await writeFile(path, bytes);
    const damaged = await CommitLog.open(folder);
    expect(damaged.has(0)).toBe(false);
    await damaged.close();
  });

  it('deletes the segments whose commits all come before a step', async () => {
    const folder = await temporaryFolder();
    const log = await filled(folder, [8, 8, 8, 8, 8], [2, 4]);
    expect((await readdir(folder)).sort()).toEqual(['0.log', '2.log', '4.log']);
    await log.dropBefore(3);
    expect([0, 1, 2, 3, 4].map((step) => log.has(step))).toEqual([false, false, true, true, true]);
    expect((await readdir(folder)).sort()).toEqual(['2.log', '4.log']);
    await log.close();
  });

  it('forgets the commits from a step on, and goes on from there', async () => {
    const folder = await temporaryFolder();
    const log = await filled(folder, [8, 8, 8, 8], [2]);
    await log.truncate(1);
    expect([0, 1, 2, 3].map((step) => log.has(step))).toEqual([true, false, false, false]);
    await log.append(recordOf(1, payloadOf(50, 40)), payloadOf(50, 40));
    await log.close();
    const again = await CommitLog.open(folder);
    expect(await again.readBytes(1, { offset: 0, length: 40 })).toEqual(payloadOf(50, 40));
    await again.close();
  });

  it('says that the disk is full, in one line and with exit code 69', async () => {
    const folder = await temporaryFolder();
    const log = await CommitLog.open(folder);
    await symlink('/dev/full', join(folder, '0.log'));
    const error: unknown = await log
      .append(recordOf(0, payloadOf(0, 8)), payloadOf(0, 8))
      .catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(UserError);
    expect(error).toMatchObject({
      exitCode: 69,
      message: expect.stringMatching(/step 0: no space left on the disk; the run is safe up to/),
    });
    await log.close();
  });
});

async function firstRecordBytes(path: string): Promise<number> {
  const bytes = await readFile(path);
  return Math.ceil((8 + bytes.readUInt32LE(0)) / 8) * 8 + 16;
}
