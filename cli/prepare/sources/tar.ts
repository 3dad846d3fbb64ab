/**
 * Where the files of a tar archive lie in it: the headers are read, and what stands between them is passed over. POSIX
 * (ustar, pax) and GNU (long names, sizes of 8 GiB and more) archives. Format: POSIX.1-2017, pax; GNU tar's manual,
 * "Basic Tar Format".
 */
import { damaged } from './file-errors.js';
import { bytesIn, type RangedBytes } from './ranged-bytes.js';

/** A file in an archive. */
export interface TarMember {
  readonly name: string;
  /** Where its bytes begin. */
  readonly offset: number;
  readonly sizeBytes: number;
}

const block = 512;

/** No name or set of pax records is longer. */
const longestText = 2 ** 20;

/** What one header says of the next. */
interface Ahead {
  readonly path?: string | undefined;
  readonly size?: number | undefined;
}

/**
 * Lists the files of an archive in their order; folders, links and devices are left out.
 * @param path names the archive in errors
 * @throws UserError 65 for an archive that is damaged or cut short
 */
export function tarMembers(path: string, archive: RangedBytes): TarMember[] {
  const members: TarMember[] = [];
  let ahead: Ahead = {};
  for (let at = 0; at < archive.sizeBytes;) {
    if (archive.sizeBytes - at < block) throw cutShort(path, at);
    const header = bytesIn(archive, at, at + block);
    // Zeros end the archive.
    if (header.every((byte) => byte === 0)) return members;
    if (!isSound(header))
      throw damaged(path, `no tar header at byte ${at}; a whole tar archive, plain or packed by gzip, was wanted`);
    const type = header.toString('latin1', 156, 157);
    const sizeBytes = isNext(type) ? (ahead.size ?? numberIn(header, 124, 12)) : numberIn(header, 124, 12);
    const offset = at + block;
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0 || offset + sizeBytes > archive.sizeBytes)
      throw cutShort(path, at);
    if (isNext(type)) {
      if (isFile(type)) members.push({ name: ahead.path ?? nameIn(header), offset, sizeBytes });
      ahead = {};
    } else ahead = { ...ahead, ...told(path, type, { archive, offset, sizeBytes }) };
    at = offset + Math.ceil(sizeBytes / block) * block;
  }
  return members;
}

/** Whether a header is of an entry, and not of what is told of the next one. */
function isNext(type: string): boolean {
  return !['x', 'g', 'L', 'K'].includes(type);
}

/** A file, also as old writers and those of contiguous files say it. */
function isFile(type: string): boolean {
  return ['0', '\0', '7'].includes(type);
}

interface Text extends Pick<TarMember, 'offset' | 'sizeBytes'> {
  readonly archive: RangedBytes;
}

function told(path: string, type: string, { archive, offset, sizeBytes }: Text): Ahead {
  if (type !== 'x' && type !== 'L') return {};
  if (sizeBytes > longestText)
    throw damaged(path, `a name of ${sizeBytes} bytes at byte ${offset}; one of at most ${longestText} was wanted`);
  const text = bytesIn(archive, offset, offset + sizeBytes);
  if (type === 'L') return { path: textIn(text, 0, text.length) };
  const records = paxRecords(text);
  const size = records.get('size');
  const name = records.get('path');
  return { ...(name === undefined ? {} : { path: name }), ...(size === undefined ? {} : { size: Number(size) }) };
}

/** Records of `LENGTH KEY=VALUE\n`, of which LENGTH counts all. */
function paxRecords(text: Buffer): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (let at = 0; at < text.length;) {
    const space = text.indexOf(' ', at);
    const length = Number(text.toString('latin1', at, space));
    if (space < 0 || !Number.isSafeInteger(length) || length <= 0) break;
    const record = text.toString('utf8', space + 1, at + length - 1);
    const equals = record.indexOf('=');
    found.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
  return found;
}

/** Whether the header's checksum, the sum of its bytes with spaces in the checksum's place, is right. */
function isSound(header: Buffer): boolean {
  let sum = 8 * 0x20;
  header.forEach((byte, i) => {
    if (i < 148 || i >= 156) sum += byte;
  });
  return sum === numberIn(header, 148, 8);
}

/** Octal digits, or, where the first bit is set, a number of GNU's in base 256. */
function numberIn(header: Buffer, from: number, length: number): number {
  if (((header[from] ?? 0) & 0x80) === 0) {
    const digits = textIn(header, from, from + length).trim();
    return digits === '' ? 0 : /^[0-7]+$/.test(digits) ? parseInt(digits, 8) : NaN;
  }
  return header.subarray(from + 1, from + length).reduce((sum, byte) => 256 * sum + byte, (header[from] ?? 0) & 0x7f);
}

/** The name, behind the folder that POSIX archives keep apart. */
function nameIn(header: Buffer): string {
  const name = textIn(header, 0, 100);
  const isPosix = header.toString('latin1', 257, 263) === 'ustar\0';
  const folder = isPosix ? textIn(header, 345, 500) : '';
  return folder === '' ? name : `${folder}/${name}`;
}

function textIn(bytes: Buffer, from: number, to: number): string {
  const end = bytes.subarray(from, to).indexOf(0);
  return bytes.toString('utf8', from, end < 0 ? to : from + end);
}

function cutShort(path: string, at: number): Error {
  return damaged(path, `it ends within what begins at byte ${at}; a whole tar archive was wanted`);
}
