/** Names and texts that would move a cursor or forge a line, in both directions. */
import { describe, expect, it } from 'vitest';
import { ProtocolError } from '../../../shared/errors.js';
import { decodeDown, decodeUp, encodeFrame } from '../../../shared/protocol/codec.js';
import { protocolVersion, type DownMessage, type UpMessage } from '../../../shared/protocol/messages.js';

const hostile = 'x\u001b[2J\nwarning: forged\u202e';
const shown = 'x\\u001b[2J warning: forged\\u202e';
const envelope = { run: 'r', generation: 1, step: 0 };
const device = { backend: 'wasm', gpu: null, threads: 1, host: 'h', pid: 1, version: '0' } as const;
const hello = {
  type: 'hello',
  ...envelope,
  protocol: protocolVersion,
  worker: 'w',
  device,
  recipeDigest: null,
  held: null,
} as const;
const bytesOf = (message: UpMessage | DownMessage): Uint8Array => {
  const frame = encodeFrame(message);
  return frame instanceof Uint8Array ? frame : Buffer.concat(frame);
};

describe('a coordinator that hears a worker', () => {
  it.each<[string, UpMessage, string]>([
    ['failed', { type: 'failed', ...envelope, lease: 1, microBatch: 0, reason: hostile }, 'reason'],
    ['leave', { type: 'leave', ...envelope, reason: hostile }, 'reason'],
  ])('shows the text of %s escaped', (_type, message, key) => {
    expect(decodeUp(bytesOf(message)).message).toMatchObject({ [key]: shown });
  });

  it('shows the lines of a worker that has failed escaped', () => {
    const failure = { code: 1, lines: [hostile] };
    expect(decodeUp(bytesOf({ type: 'leave', ...envelope, reason: 'x', failure })).message).toMatchObject({
      failure: { lines: [shown] },
    });
  });

  it.each<[string, UpMessage]>([
    ['its name', { ...hello, worker: hostile }],
    ['its host', { ...hello, device: { ...device, host: hostile } }],
    ['its GPU', { ...hello, device: { ...device, gpu: hostile } }],
  ])('refuses %s', (_name, message) => {
    expect(() => decodeUp(bytesOf(message))).toThrow(ProtocolError);
    expect(() => decodeUp(bytesOf(message))).toThrow(/control characters/);
  });

  it('shows an unknown key escaped where it says why a frame is refused', () => {
    const odd = { ...hello, [hostile]: 1 } as UpMessage;
    expect(() => decodeUp(bytesOf(odd))).toThrow(shown);
  });
});

describe('a worker that hears a coordinator', () => {
  it.each<[string, DownMessage, string]>([
    ['end', { type: 'end', ...envelope, reason: 'stopped', text: hostile }, 'text'],
    ['resync', { type: 'resync', ...envelope, reason: hostile }, 'reason'],
  ])('shows the text of %s escaped', (_type, message, key) => {
    expect(decodeDown(bytesOf(message)).message).toMatchObject({ [key]: shown });
  });
});
