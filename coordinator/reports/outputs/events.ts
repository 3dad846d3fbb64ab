/**
 * events/ in the run folder, for TensorBoard: a point for each step and each epoch, and the recipe. Like metrics.jsonl it
 * is derived from the journal and written anew at every start, so no step is lost or doubled whatever a kill left. The
 * file's name has the coordinator's generation, by which a TensorBoard that reads meanwhile goes on to it; what it begins
 * with tells that reader to forget what it holds.
 */
import { firstEvents, hparamsEvent, scalarsEvent, textEvent, type EventTime } from '../events/encode.js';
import { flatRecipe } from '../flat-recipe.js';
import type { MetricsLine } from '../metrics.js';
import { epochScalars, stepScalars } from '../scalars.js';
import type { StepReport } from '../steps.js';
import { silentOutput, type OutputPlace, type ReportOutput, type RunEnding, type RunStart } from './output.js';

const folderName = 'events';
/** What is not written yet is written when so much has come together, or after so long. */
const [mostBytes, longestMs] = [256 * 1024, 1000];

/** Its promises are rejected with UserError 69 when the disk takes no more. */
export function eventsOutput({ folder, nowMs }: Pick<OutputPlace, 'folder' | 'nowMs'>): ReportOutput {
  const events = new Events(folder, nowMs);
  return {
    ...silentOutput,
    start: (start) => events.start(start),
    step: (report) => events.step(report),
    epoch: (line) => events.epoch(line),
    end: (line) => events.end(line),
    over: (ending) => events.over(ending),
  };
}

class Events {
  readonly #folder: OutputPlace['folder'];
  readonly #nowMs: () => number;
  #name = '';
  #references: RunStart['references'] = () => [];
  /** When the newest step was committed: an epoch's points are of that time. */
  #atMs = 0;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #writtenMs = -Infinity;
  #writing: Promise<void> = Promise.resolve();

  constructor(folder: OutputPlace['folder'], nowMs: () => number) {
    [this.#folder, this.#nowMs] = [folder, nowMs];
  }

  async start(start: RunStart): Promise<void> {
    this.#name = `events.out.tfevents.${String(start.generation).padStart(10, '0')}.stillhouse`;
    this.#references = start.references;
    this.#atMs = start.beganMs;
    await this.#folder.writeAlone(folderName, this.#name, inPieces(this.#past(start)));
  }

  step(report: StepReport): void {
    this.#add(this.#stepEvent(report));
    if (this.#pendingBytes < mostBytes && this.#nowMs() - this.#writtenMs < longestMs) return;
    // What goes wrong is told by the next promise that is given away.
    this.#flush().catch(() => undefined);
  }

  epoch(line: MetricsLine): Promise<void> {
    this.#add(this.#epochEvent(line));
    return this.#flush();
  }

  end(partialEpoch: MetricsLine | null): Promise<void> {
    return partialEpoch === null ? this.#flush() : this.epoch(partialEpoch);
  }

  /**
   * What cannot be written any more is written by the next start. A coordinator that failed may have a successor, whose
   * folder it is by now: it writes nothing more.
   */
  async over(ending: RunEnding): Promise<void> {
    await (ending === 'failed' || ending === 'taken' ? this.#writing : this.#flush()).catch(() => undefined);
  }

  *#past({ beganMs, recipe, steps, closedEpochs }: RunStart): Generator<Uint8Array> {
    const time = { atMs: beganMs, step: 0 };
    yield firstEvents(time);
    yield textEvent(time, 'recipe', asCode(recipe));
    yield hparamsEvent(time, flatRecipe(recipe));
    const epochs = [...closedEpochs];
    for (const report of steps()) {
      yield this.#stepEvent(report);
      for (; epochs[0] !== undefined && epochs[0].step <= report.step; epochs.shift())
        yield this.#epochEvent(epochs[0]);
    }
    for (const line of epochs) yield this.#epochEvent(line);
  }

  #stepEvent(report: StepReport): Uint8Array {
    this.#atMs = report.atMs;
    return scalarsEvent({ atMs: report.atMs, step: report.step }, stepScalars(report));
  }

  #epochEvent(line: MetricsLine): Uint8Array {
    const time: EventTime = { atMs: this.#atMs, step: line.step };
    return scalarsEvent(time, epochScalars(line, this.#references()));
  }

  #add(bytes: Uint8Array): void {
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
  }

  #flush(): Promise<void> {
    const bytes = Buffer.concat(this.#pending);
    [this.#pending, this.#pendingBytes, this.#writtenMs] = [[], 0, this.#nowMs()];
    if (bytes.length > 0)
      this.#writing = this.#writing.then(() => this.#folder.append(`${folderName}/${this.#name}`, bytes));
    return this.#writing;
  }
}

/** As Markdown, which shows lines that are set in as they are. */
function asCode(text: string): string {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => `    ${line}`)
    .join('\n');
}

/** Puts small pieces together, so that a long past is not written in a call for each step. */
function* inPieces(events: Iterable<Uint8Array>): Generator<Uint8Array> {
  let [held, bytes]: [Uint8Array[], number] = [[], 0];
  for (const event of events) {
    held.push(event);
    bytes += event.length;
    if (bytes < mostBytes) continue;
    yield Buffer.concat(held);
    [held, bytes] = [[], 0];
  }
  yield Buffer.concat(held);
}
