/** Spans on their way to the coordinator, of which one that cannot go on for long keeps a bounded number. */
import { spanLimits, type SpanPlace, type WorkerSpan, type WorkerSpanName } from '../../shared/trace/spans.js';

export class SpanBuffer {
  #spans: WorkerSpan[] = [];
  #lost = 0;

  get isEmpty(): boolean {
    return this.#spans.length === 0;
  }

  /** @param startMs and `endMs`: milliseconds of processMs() */
  add(name: WorkerSpanName, startMs: number, endMs: number, { step, microBatch, lease }: SpanPlace): void {
    this.addAll([[name, startMs, Math.max(0, endMs - startMs), step, microBatch, lease]], 0);
  }

  /** @param lost spans that are missing among them */
  addAll(spans: readonly WorkerSpan[], lost: number): void {
    const room = spanLimits.kept - this.#spans.length;
    for (const span of spans.slice(0, room)) this.#spans.push(span);
    this.#lost += lost + Math.max(0, spans.length - room);
  }

  /** What was kept since the last time, and how many were lost. */
  take(): { readonly spans: readonly WorkerSpan[]; readonly lost: number } {
    const taken = { spans: this.#spans, lost: this.#lost };
    this.#spans = [];
    this.#lost = 0;
    return taken;
  }
}
