/** Writes small zips for tests, and spoils them. */
import { crc32, deflateRawSync } from 'node:zlib';

export interface Member {
  readonly name: string;
  readonly data: Buffer;
  readonly isStored?: boolean;
  /** Claimed in place of the true checksum. */
  readonly crc?: number;
  readonly method?: number;
  /** Extra field in the local header alone. */
  readonly extraBytes?: number;
}

export function zip(members: readonly Member[], comment = ''): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const member of members) {
    const { name, data, isStored = false, extraBytes = 0 } = member;
    const packed = isStored ? data : deflateRawSync(data);
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(member.method ?? (isStored ? 0 : 8), 4);
    shared.writeUInt32LE(member.crc ?? crc32(data), 10);
    shared.writeUInt32LE(packed.length, 14);
    shared.writeUInt32LE(data.length, 18);
    shared.writeUInt16LE(Buffer.byteLength(name), 22);
    const extra = Buffer.alloc(2);
    extra.writeUInt16LE(extraBytes);
    const local = Buffer.concat([
      Buffer.from('PK\x03\x04'),
      shared.subarray(0, 22),
      shared.subarray(22, 24),
      extra,
      Buffer.from(name),
      Buffer.alloc(extraBytes),
      packed,
    ]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    directory.push(
      Buffer.concat([
        Buffer.from('PK\x01\x02'),
        Buffer.alloc(2),
        shared.subarray(0, 24),
        Buffer.alloc(2),
        tail,
        Buffer.from(name),
      ]),
    );
    locals.push(local);
    offset += local.length;
  }
  const table = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(members.length, 8);
  end.writeUInt16LE(members.length, 10);
  end.writeUInt32LE(table.length, 12);
  end.writeUInt32LE(offset, 16);
  end.writeUInt16LE(comment.length, 20);
  return Buffer.concat([...locals, table, end, Buffer.from(comment)]);
}
