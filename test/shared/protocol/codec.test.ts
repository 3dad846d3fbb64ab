import { Packr } from 'msgpackr';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProtocolError } from '../../../shared/errors.js';
import { decodeDown, decodeUp, encodeFrame, sendFrame, type Frame } from '../../../shared/protocol/codec.js';
import { nameLength } from '../../../shared/protocol/fields.js';
import { limits, type DownMessage, type UpMessage } from '../../../shared/protocol/messages.js';

const envelope = { run: 'r1', generation: 3, step: 7 };
const heartbeat: UpMessage = {
  type: 'heartbeat',
  ...envelope,
  progress: 12,
  sentMs: 1.5e12,
  rssBytes: 1e9,
  tensors: 40,
};

function joined(frame: Frame): Uint8Array {
  return frame instanceof Uint8Array ? frame : Buffer.concat(frame);
}

/** A frame with this header object, however wrong. */
function frameOf(header: unknown, payload = new Uint8Array(0), packr = new Packr({ useRecords: false })): Uint8Array {
  return rawFrame(packr.pack(header), payload);
}

function rawFrame(header: Uint8Array, payload = new Uint8Array(0)): Uint8Array {
  const head = Buffer.alloc(Math.ceil((4 + header.length) / 8) * 8);
  head.writeUInt32LE(header.length, 0);
  head.set(header, 4);
  return Buffer.concat([head, payload]);
}

describe('frames', () => {
  it('decode to what was encoded, whatever the payload', () => {
    const offers = fc.record({
      lease: fc.nat(),
      bytes: fc.nat(),
      sums: fc.dictionary(
        fc.string({ maxLength: 20 }).filter((key) => key !== '__proto__'),
        fc.double({ noNaN: true }).map((x) => x + 0),
      ),
      momentCounts: fc.array(fc.nat(), { maxLength: 10 }),
    });
    fc.assert(
      fc.property(offers, fc.uint8Array({ maxLength: 300 }), (fields, payload) => {
        const message: UpMessage = {
          type: 'offer',
          ...envelope,
          stateHash: 'ab'.repeat(8),
          digest: '01'.repeat(8),
          seconds: { student: 0.25 },
          ...fields,
        };
        const decoded = decodeUp(joined(encodeFrame(message, payload)));
        expect(decoded.message).toEqual(message);
        expect([...decoded.payload]).toEqual([...payload]);
      }),
    );
  });

  it('keep the payload on a multiple of 8', () => {
    const frame = joined(encodeFrame(heartbeat, Uint8Array.of(9)));
    expect(frame.length % 8).toBe(1);
    expect(decodeUp(frame).payload).toEqual(Uint8Array.of(9));
  });

  it('do not copy a payload of more than 64 KiB', () => {
    const payload = new Uint8Array(65537);
    const frame = encodeFrame(heartbeat, payload);
    expect(frame instanceof Uint8Array ? null : frame[1]).toBe(payload);
    expect(encodeFrame(heartbeat, payload.subarray(0, 65536))).toBeInstanceOf(Uint8Array);
  });

  it('decode from head and payload apart without joining them, and from any other fragments', () => {
    const payload = new Uint8Array(70000).fill(5);
    const whole = joined(encodeFrame(heartbeat, payload));
    const frame = encodeFrame(heartbeat, payload);
    expect(decodeUp(frame instanceof Uint8Array ? frame : [...frame]).payload.buffer).toBe(payload.buffer);
    for (const cut of [0, 1, 3, 40, 60000])
      expect(Buffer.compare(decodeUp([whole.subarray(0, cut), whole.subarray(cut)]).payload, payload)).toBe(0);
  });

  it('carry sums that are not finite', () => {
    const message: UpMessage = {
      type: 'offer',
      ...envelope,
      lease: 1,
      stateHash: 'ab'.repeat(8),
      digest: '01'.repeat(8),
      bytes: 0,
      sums: { response: NaN, x: -Infinity },
      momentCounts: [],
      seconds: {},
    };
    expect(decodeUp(joined(encodeFrame(message))).message).toEqual(message);
  });

  it('of one direction are not those of the other', () => {
    const pong: DownMessage = { type: 'pong', ...envelope, sentMs: 1 };
    expect(decodeDown(joined(encodeFrame(pong))).message).toEqual(pong);
    expect(() => decodeUp(joined(encodeFrame(pong)))).toThrow(ProtocolError);
  });

  it('are refused before they are built when a part is too long', () => {
    expect(() => encodeFrame(heartbeat, new Uint8Array(limits.pieceBytes + 1))).toThrow(/payload of 1048577 bytes/);
    expect(() =>
      encodeFrame({ type: 'failed', ...envelope, lease: 0, microBatch: 0, reason: 'x'.repeat(limits.headerBytes) }),
    ).toThrow(/header of/);
  });
});

const packed = (...bytes: number[]): Uint8Array => rawFrame(Uint8Array.from(bytes));
const spansMessage = { type: 'spans', ...envelope, offsetMs: 0.5, errorMs: 0.25, lost: 0 };
const spansOf = (...spans: unknown[]): Uint8Array => frameOf({ ...spansMessage, spans });
const deep = (depth: number): unknown => (depth === 0 ? 1 : [deep(depth - 1)]);
const hostile: [string, Uint8Array, RegExp][] = [
  ['nothing', new Uint8Array(0), /at least 4/],
  ['half a length', Uint8Array.of(1, 0), /at least 4/],
  ['a length of 4 GiB', Uint8Array.of(255, 255, 255, 255, 0, 0, 0, 0), /its header needs/],
  ['a header beyond its cap', rawFrame(new Uint8Array(limits.headerBytes + 1)), /header of 262145 bytes/],
  ['a payload beyond its cap', frameOf(heartbeat, new Uint8Array(limits.pieceBytes + 1)), /payload of/],
  ['an empty header', packed(), /in the middle of a value/],
  ['padding that is not zero', Buffer.from([1, 0, 0, 0, 0xc0, 7, 0, 0]), /padding/],
  ['two values', packed(0xc0, 0xc0), /1 bytes after/],
  ['an array that claims 4 billion items', packed(0xdd, 0xff, 0xff, 0xff, 0xff), /in the middle/],
  ['a map that claims 4 billion keys', packed(0xdf, 0xff, 0xff, 0xff, 0xff), /in the middle/],
  ['a string that claims 2 GiB', packed(0xdb, 0x7f, 0xff, 0xff, 0xff), /in the middle/],
  ['a float cut off', packed(0xcb, 1, 2), /in the middle/],
  ['a regular expression', frameOf(/a+/, undefined, new Packr({ useRecords: false, moreTypes: true })), /type 0x/],
  ['a set', frameOf(new Set([1]), undefined, new Packr({ useRecords: false, moreTypes: true })), /type 0x/],
  ['a date', frameOf(new Date(0)), /type 0x/],
  ['a record definition', packed(0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 0xc0), /type 0xd4/],
  ['bytes', packed(0xc4, 1, 7), /type 0xc4/],
  ['undefined', frameOf({ ...heartbeat, extra: undefined }), /type 0xd4/],
  ['the byte that MessagePack never uses', packed(0xc1), /type 0xc1/],
  ['a map with a number for a key', packed(0x81, 0x01, 0xc0), /key that is not a string/],
  ['20,000 arrays in each other', rawFrame(new Uint8Array(20_000).fill(0x91)), /deeper than/],
  ['17 arrays in each other', frameOf(deep(18)), /deeper than/],
  ['spans with a name of their own', spansOf(['a'.repeat(200), 0, 1, null, null, null]), /spans\.0\.0/],
  ["spans of the coordinator's", spansOf(['fsync', 0, 1, null, null, null]), /spans\.0\.0/],
  ['spans that end before they begin', spansOf(['label', 0, -1, null, null, null]), /spans\.0\.2/],
  ['spans at no time', spansOf(['label', NaN, 1, null, null, null]), /spans\.0\.1/],
  ['spans that never end', spansOf(['label', 0, Infinity, null, null, null]), /spans\.0\.2/],
  ['spans of half a step', spansOf(['label', 0, 1, 0.5, null, null]), /spans\.0\.3/],
  ['spans with more to say', spansOf(['label', 0, 1, null, null, null, 7]), /spans\.0/],
  ['no spans', spansOf(), /spans/],
  ['more spans than a message may have', spansOf(...new Array<unknown>(513).fill(['wait', 0, 1, 1, 1, 1])), /spans/],
  ['spans by no clock', frameOf({ ...spansMessage, offsetMs: -Infinity }), /offsetMs/],
  ['a number', frameOf(7), /message/],
  ['an array', frameOf([heartbeat]), /message/],
  ['an unknown type', frameOf({ ...heartbeat, type: 'shutdown' }), /type/],
  ['an unknown key', frameOf({ ...heartbeat, admin: true }), /admin|key/],
  ['a missing key', frameOf({ type: 'heartbeat', ...envelope }), /progress/],
  ['a negative step', frameOf({ ...heartbeat, step: -1 }), /step/],
  ['a step that is not whole', frameOf({ ...heartbeat, step: 0.5 }), /step/],
  ['a string for a number', frameOf({ ...heartbeat, step: '7' }), /step/],
  ['a 64-bit integer', frameOf({ ...heartbeat, step: 2n ** 60n }), /step/],
  ['a long run id', frameOf({ ...heartbeat, run: 'x'.repeat(nameLength + 1) }), /run/],
  ['NaN where a clock was wanted', frameOf({ ...heartbeat, sentMs: NaN }), /sentMs/],
];

describe('hostile frames', () => {
  it.each(hostile)('%s is refused with a ProtocolError', (_name, frame, message) => {
    let caught: unknown;
    try {
      decodeUp(frame);
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(ProtocolError);
    expect(String(caught)).toMatch(message);
  });

  it('never bring anything but a ProtocolError, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeUp(rawFrame(bytes));
          decodeUp(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('cannot reach the prototype of a record', () => {
    const sums = JSON.parse('{"__proto__": 1}') as unknown;
    const frame = frameOf({
      type: 'offer',
      ...envelope,
      lease: 1,
      stateHash: 'ab'.repeat(8),
      digest: '01'.repeat(8),
      bytes: 0,
      sums,
      momentCounts: [],
      seconds: {},
    });
    const { message } = decodeUp(frame);
    expect(Object.getPrototypeOf(message.type === 'offer' ? message.sums : null)).toBe(Object.prototype);
    expect(Object.prototype).not.toHaveProperty('polluted');
  });
});

describe('sendFrame', () => {
  it('sends head and payload as two fragments of one message and calls back once', () => {
    const sent: [number, boolean][] = [];
    let calls = 0;
    const socket = {
      send: (data: Uint8Array, options: { fin: boolean }, done: () => void) => {
        sent.push([data.length, options.fin]);
        done();
      },
    };
    sendFrame(socket, encodeFrame(heartbeat, new Uint8Array(70000)), () => calls++);
    expect(sent.map(([, fin]) => fin)).toEqual([false, true]);
    expect(sent[1]?.[0]).toBe(70000);
    expect(calls).toBe(1);
  });
});
