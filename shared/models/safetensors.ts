/**
 * The safetensors format by hand: 8 bytes of header length (little-endian), a JSON header, then raw tensor bytes.
 *
 *   { "layer/kernel": { "dtype": "F32", "shape": [3, 3, 1, 8], "data_offsets": [0, 288] }, ... }
 *
 * Reading checks everything before it allocates: sizes, names, shapes, and that the tensors cover the data exactly, as
 * the format's own reader does. https://github.com/huggingface/safetensors
 */
import { counted } from '../counted.js';
import { z } from 'zod';
import { exitCodes, UserError } from '../errors.js';
import { elementsIn } from '../shape.js';

/** A tensor of a file, as float32. */
export interface NamedTensor {
  readonly shape: readonly number[];
  /** The elements in row-major order. */
  readonly values: Float32Array;
}

const limits = { headerBytes: 16 << 20, tensors: 100_000, nameLength: 512, rank: 16 };

const entrySchema = z
  .object({
    dtype: z.enum(['F32', 'F16', 'BF16', 'F64']),
    shape: z
      .array(
        z
          .number()
          .int()
          .nonnegative()
          .max(2 ** 31),
      )
      .max(limits.rank),
    data_offsets: z.tuple([z.number().int().nonnegative(), z.number().int().nonnegative()]),
  })
  .strict();
type Entry = z.infer<typeof entrySchema>;

const elementBytes = { F32: 4, F16: 2, BF16: 2, F64: 8 };

/** The file's bytes: float32, tensors in the map's order, the header padded with spaces to 8 bytes. */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, NamedTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const header: Record<string, unknown> = Object.keys(metadata).length > 0 ? { __metadata__: metadata } : {};
  let end = 0;
  for (const [name, { shape, values }] of tensors) {
    if (values.length !== elementsIn(shape))
      throw new Error(`${name} has ${values.length} values, its shape is [${shape.join(', ')}]`);
    header[name] = { dtype: 'F32', shape, data_offsets: [end, end + values.byteLength] };
    end += values.byteLength;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const headerBytes = Math.ceil(text.length / 8) * 8;
  const file = new Uint8Array(8 + headerBytes + end).fill(0x20, 8, 8 + headerBytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes), true);
  file.set(text, 8);
  let at = 8 + headerBytes;
  for (const { values } of tensors.values()) {
    file.set(littleEndian(values), at);
    at += values.byteLength;
  }
  return file;
}

function littleEndian(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/**
 * Tensors by name, as float32, in the order of the file's header. @param file its name, for messages @throws UserError
 * 65
 */
export function decodeSafetensors(bytes: Uint8Array, file: string): Map<string, NamedTensor> {
  const bad = (text: string, cause?: unknown): UserError =>
    new UserError(`${file}: ${text}; a safetensors file was wanted`, exitCodes.data, cause);
  const { entries, data } = readHeader(bytes, bad);
  checkCover(entries, data.length, bad);
  return new Map(entries.map(([name, entry]) => [name, { shape: entry.shape, values: valuesOf(entry, data) }]));
}

type Bad = (text: string, cause?: unknown) => UserError;

function readHeader(bytes: Uint8Array, bad: Bad): { entries: [string, Entry][]; data: Uint8Array } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 10) throw bad(`it has ${counted(bytes.length, 'byte')}`);
  const headerBytes = Number(view.getBigUint64(0, true));
  if (headerBytes > limits.headerBytes)
    throw bad(`its header claims ${headerBytes} bytes, the limit is ${limits.headerBytes}`);
  if (8 + headerBytes > bytes.length)
    throw bad(`its header claims ${headerBytes} bytes of ${bytes.length - 8}: it is cut off`);
  const header = parseHeader(bytes.subarray(8, 8 + headerBytes), bad);
  const names = Object.keys(header).filter((name) => name !== '__metadata__');
  if (names.length > limits.tensors) throw bad(`it has ${names.length} tensors, the limit is ${limits.tensors}`);
  const long = names.find((name) => name.length > limits.nameLength);
  if (long !== undefined)
    throw bad(`it has a tensor whose name has ${long.length} characters, the limit is ${limits.nameLength}`);
  const entries = names.map((name): [string, Entry] => {
    const entry = entrySchema.safeParse(header[name]);
    if (!entry.success)
      throw bad(
        `tensor ${name}: ${entry.error.issues[0]?.path.join('.') ?? ''} ${entry.error.issues[0]?.message ?? ''}`,
        entry.error,
      );
    return [name, entry.data];
  });
  return { entries, data: bytes.subarray(8 + headerBytes) };
}

function parseHeader(text: Uint8Array, bad: Bad): Record<string, unknown> {
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text)));
  } catch (error) {
    throw bad('its header is no JSON object', error);
  }
}

/** Every tensor's bytes fit its shape, follow the one before without a gap, and end with the file. */
function checkCover(entries: readonly [string, Entry][], dataBytes: number, bad: Bad): void {
  let end = 0;
  for (const [
    name,
    {
      dtype,
      shape,
      data_offsets: [from, to],
    },
  ] of [...entries].sort(
    ([, a], [, b]) => a.data_offsets[0] - b.data_offsets[0] || a.data_offsets[1] - b.data_offsets[1],
  )) {
    const wanted = elementsIn(shape) * elementBytes[dtype];
    if (from !== end) throw bad(`tensor ${name} starts at byte ${from}, the one before it ends at ${end}`);
    if (to - from !== wanted)
      throw bad(`tensor ${name} has ${to - from} bytes; ${dtype} [${shape.join(', ')}] needs ${wanted}`);
    end = to;
  }
  if (end !== dataBytes) throw bad(`its tensors need ${end} bytes of data, it has ${dataBytes}`);
}

function valuesOf({ dtype, shape, data_offsets: [from, to] }: Entry, data: Uint8Array): Float32Array {
  const view = new DataView(data.buffer, data.byteOffset + from, to - from);
  const read = {
    F32: (i: number) => view.getFloat32(4 * i, true),
    F64: (i: number) => view.getFloat64(8 * i, true),
    F16: (i: number) => halfToNumber(view.getUint16(2 * i, true)),
    BF16: (i: number) => brainToNumber(view.getUint16(2 * i, true)),
  }[dtype];
  return Float32Array.from({ length: elementsIn(shape) }, (_, i) => read(i));
}

/** Converts the bits of a half, IEEE 754 binary16, to a number. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

/** bfloat16: the upper half of a binary32. */
function brainToNumber(bits: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, bits << 16);
  return view.getFloat32(0);
}
