import { describe, expect, it } from 'vitest';
import type { Down, Up } from '../../../shared/protocol/messages.js';
import { decodeUp, encodeFrame } from '../../../shared/protocol/codec.js';
import { spanLimits } from '../../../shared/trace/spans.js';
import { SpanSender } from '../../../worker/link/span-sender.js';
import { processMs } from '../../../worker/threads/process-clock.js';

function senderOf(): { sender: SpanSender; sent: Up<'spans'>[] } {
  const sent: Up<'spans'>[] = [];
  const connection = { send: (message: Up<'spans'>) => void sent.push(message) };
  return { sent, sender: new SpanSender(connection, () => ({ run: 'r', generation: 1, step: 4 })) };
}

describe('spans for the coordinator', () => {
  it('wait until its clock is known, and go with it', () => {
    const { sender, sent } = senderOf();
    sender.add('apply', processMs() - 5, { step: 3 });
    sender.flush();
    expect(sent).toEqual([]);
    // An answer of a coordinator that does not trace says nothing of its clock.
    sender.answered({ sentMs: performance.now() - 2 });
    sender.flush();
    expect(sent).toEqual([]);
    sender.answered({ sentMs: performance.now() - 2, atMs: 1_000_000 });
    const truth = 1_000_000 - processMs();
    sender.flush();
    expect(sent).toHaveLength(1);
    const [{ offsetMs, errorMs, spans } = fail()] = sent;
    expect(errorMs).toBeGreaterThanOrEqual(1);
    // The answer was made between the question and its arrival, which has just been.
    expect(Math.abs(offsetMs - truth)).toBeLessThan(errorMs * 2 + 50);
    expect(spans[0]?.slice(0, 1)).toEqual(['apply']);
    sender.flush();
    expect(sent).toHaveLength(1);
  });

  it('go in messages that a coordinator takes, all of them', () => {
    const { sender, sent } = senderOf();
    sender.answered({ sentMs: performance.now(), atMs: 1 });
    const huge = Number.MAX_SAFE_INTEGER;
    const span = ['evaluate', 1e12 + 0.123, 1e9 + 0.456, huge, huge, huge] as const;
    sender.addAll(new Array(spanLimits.perMessage * 2 + 1).fill(span), 6);
    sender.flush();
    expect(sent.map(({ spans, lost }) => [spans.length, lost])).toEqual([
      [spanLimits.perMessage, 6],
      [spanLimits.perMessage, 0],
      [1, 0],
    ]);
    for (const message of sent) {
      const frame = encodeFrame(message);
      expect(decodeUp(frame instanceof Uint8Array ? frame : [...frame]).message).toEqual(message);
    }
  });

  it('say how long the bytes of a commit took that come after its header', () => {
    const { sender, sent } = senderOf();
    sender.answered({ sentMs: performance.now(), atMs: 1 });
    const commit = (step: number, bytes: number): Down<'commit'> => ({
      type: 'commit',
      run: 'r',
      generation: 1,
      step,
      scalars: { skip: false, update: 1, clip: 1, groups: [], ema: 0 },
      compression: 'none',
      bytes,
      digest: '0'.repeat(16),
      momentCounts: [],
    });
    sender.receives(commit(4, 100), new Uint8Array(100));
    sender.received(4);
    sender.receives(commit(5, 100), new Uint8Array(0));
    sender.received(4);
    sender.received(5);
    sender.received(5);
    sender.flush();
    expect(sent[0]?.spans.map(([name, , , step]) => [name, step])).toEqual([['receive', 5]]);
  });
});

function fail(): never {
  throw new Error('nothing was sent');
}
