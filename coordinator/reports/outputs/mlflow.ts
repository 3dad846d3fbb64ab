/**
 * A run as MLflow shows it, by its REST API: params, metrics by step and by epoch, status, and files at the end. It never
 * makes a run wait, but for some seconds at its end: what it is told goes into a queue that is bounded, and a server that
 * does not answer is asked again while the run goes on, and is warned of once.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { counted } from '../../../shared/counted.js';
import { MlflowClient, MlflowProblem, type MlflowAccess } from '../mlflow/client.js';
import { MlflowSession, type MlflowStatus, type TrackedPoint, type TrackedRun } from '../mlflow/session.js';
import { flatRecipe } from '../flat-recipe.js';
import type { MetricsLine } from '../metrics.js';
import { epochScalars, stepScalars, type NamedFigure } from '../scalars.js';
import type { StepReport } from '../steps.js';
import { silentOutput, type ReportLevel, type ReportOutput, type RunEnding, type RunStart } from './output.js';

export interface MlflowPlace {
  readonly access: MlflowAccess;
  /** The run's name, and its folder. */
  readonly run: string;
  readonly folder: string;
  readonly say: (level: ReportLevel, text: string) => void;
  /** Times that differ from the usual ones, for tests. */
  readonly times?: Partial<MlflowTimes>;
}

interface MlflowTimes {
  /** Between two requests while the run goes on. */
  readonly everyMs: number;
  /** Until a server that failed is asked again; twice as long each time, up to a bound. */
  readonly againMs: number;
  /** How long the end of a run waits. */
  readonly endMs: number;
}

const usualTimes: MlflowTimes = { everyMs: 1000, againMs: 1000, endMs: 15_000 };
/** How long the end waits at most where the same process goes on with the run. */
const nextStartMs = 1000;
const longestAgainMs = 30_000;
/** Points that wait to be sent; of more, the oldest are given up. */
export const mostWaiting = 20_000;
/** Numbers that go into one request. */
const usualNumbers = 800;
const files = ['report.html', 'summary.json', 'recipe.yaml'];
/** Null: it is left as it is. */
const statuses: Readonly<Record<RunEnding, MlflowStatus | null>> = {
  done: 'FINISHED',
  stopped: 'KILLED',
  failed: 'FAILED',
  again: 'RUNNING',
  taken: null,
};

export function mlflowOutput(place: MlflowPlace): ReportOutput {
  let tracker: Tracker | null = null;
  let references: () => readonly NamedFigure[] = () => [];
  let atMs = 0;
  const epochPoint = (line: MetricsLine): TrackedPoint => ({
    ...{ step: line.step, atMs, scalars: epochScalars(line, references()) },
  });
  const stepPoint = (report: StepReport): TrackedPoint => {
    atMs = report.atMs;
    return { step: report.step, atMs, scalars: stepScalars(report) };
  };
  return {
    ...silentOutput,
    start: async (start) => {
      [references, atMs] = [start.references, start.beganMs];
      tracker = new Tracker(place, begunRun(place, start));
    },
    finished: async (start) => new Tracker(place, { ...begunRun(place, await start()), isFinished: true }).over('done'),
    step: (report) => tracker?.add(stepPoint(report)),
    epoch: async (line) => tracker?.add(epochPoint(line)),
    end: async (line) => {
      if (line !== null) tracker?.add(epochPoint(line));
    },
    over: async (ending) => {
      await tracker?.over(ending);
      tracker = null;
    },
  };
}

function begunRun({ run: name }: MlflowPlace, start: RunStart): BegunRun {
  const { run: id, beganMs, recipe } = start;
  return { id, name, beganMs, params: flatRecipe(recipe), past: pastPoints(start) };
}

/** What an earlier coordinator may have sent or not, made one after the other as it is taken. */
function* pastPoints({ beganMs, steps, closedEpochs, references }: RunStart): Generator<TrackedPoint> {
  const epochs = [...closedEpochs];
  let atMs = beganMs;
  const closedBy = function* (step: number): Generator<TrackedPoint> {
    for (; epochs[0] !== undefined && epochs[0].step <= step; epochs.shift())
      yield { step: epochs[0].step, atMs, scalars: epochScalars(epochs[0], references()) };
  };
  for (const report of steps()) {
    atMs = report.atMs;
    yield { step: report.step, atMs, scalars: stepScalars(report) };
    yield* closedBy(report.step);
  }
  yield* closedBy(Infinity);
}

/** A run with the points of its past. */
type BegunRun = TrackedRun & { readonly past: Iterator<TrackedPoint, void> };

/** Sends what waits, in its order, until the run is over. */
class Tracker {
  readonly #place: MlflowPlace;
  readonly #run: BegunRun;
  /** Whether points of an earlier coordinator are still taken. */
  #isPast = true;
  readonly #client: MlflowClient;
  readonly #times: MlflowTimes;
  readonly #waiting: TrackedPoint[] = [];
  /** Aborts when the run is over, so that nothing is waited for any more. */
  readonly #over = new AbortController();
  #ending: RunEnding | null = null;
  #isGivenUp = false;
  #dropped = 0;
  #newestMs: number;
  #isWarned = false;
  readonly #sending: Promise<void>;

  constructor(place: MlflowPlace, run: BegunRun) {
    [this.#place, this.#run] = [place, run];
    this.#client = new MlflowClient(place.access);
    this.#newestMs = run.beganMs;
    this.#times = { ...usualTimes, ...place.times };
    this.#sending = this.#send().catch((error: unknown) => this.#giveUp(error));
  }

  add(point: TrackedPoint): void {
    if (this.#isGivenUp) return;
    this.#waiting.push(point);
    if (this.#waiting.length <= mostWaiting) return;
    this.#waiting.shift();
    this.#dropped++;
  }

  /** Sends what waits, files and the run's status; no longer than the end may take. */
  async over(ending: RunEnding): Promise<void> {
    this.#ending = ending;
    this.#over.abort();
    const { endMs } = this.#times;
    const waitMs = ending === 'again' ? Math.min(nextStartMs, endMs) : endMs;
    const isSent = await Promise.race([this.#sending.then(() => true), sleep(waitMs, false, { ref: false })]);
    this.#isGivenUp = true;
    const { say } = this.#place;
    if (!isSent && ending !== 'again')
      say('warn', `MLflow has not got all of the run within ${waitMs / 1000} s; its end is not waited for`);
    if (this.#dropped > 0)
      say('warn', `MLflow lacks ${counted(this.#dropped, 'point')} of the run, since too many waited for it`);
  }

  async #send(): Promise<void> {
    const session = await this.#insist(() => MlflowSession.open(this.#client, this.#place.access, this.#run));
    if (session === null || session.isFinished) return;
    this.#place.say('info', `MLflow shows the run at ${session.page}`);
    while (!this.#isGivenUp) {
      const batch = this.#batch();
      if (batch.length > 0 && (await this.#insist(() => session.log(batch))) === null) return;
      if (batch.length === 0 && this.#ending !== null) break;
      if (this.#waiting.length < usualNumbers) await this.#pause(this.#isPast ? 0 : this.#times.everyMs);
    }
    const ending = this.#ending;
    const status = ending === null ? null : statuses[ending];
    if (status === null) return;
    await this.#insist(() => session.setStatus(status, ending === 'again' ? undefined : this.#endedMs));
    if (ending === 'done') await this.#sendFiles(session);
  }

  /** When the run ended, in milliseconds since 1970: its last point tells it of a run that was finished before. */
  get #endedMs(): number {
    return this.#run.isFinished === true ? this.#newestMs : Date.now();
  }

  /** A server may keep runs and take no files. */
  async #sendFiles(session: MlflowSession): Promise<void> {
    try {
      await this.#insist(() => session.putArtifacts(this.#place.folder, files));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#place.say('warn', `MLflow: ${reason}; the run's files are not shown there`);
    }
  }

  /** Takes points away, from the oldest on, for a request. */
  #batch(): TrackedPoint[] {
    const batch: TrackedPoint[] = [];
    for (let numbers = 0; numbers < usualNumbers;) {
      const point = this.#next();
      if (point === undefined) break;
      batch.push(point);
      this.#newestMs = point.atMs;
      numbers += point.scalars.length;
    }
    return batch;
  }

  #next(): TrackedPoint | undefined {
    const { value, done } = this.#run.past.next();
    if (done !== true) return value;
    this.#isPast = false;
    return this.#waiting.shift();
  }

  /** Does it until it succeeds. @returns null where it is given up */
  async #insist<T>(work: () => Promise<T>): Promise<T | null> {
    for (let waitMs = this.#times.againMs; !this.#isGivenUp; waitMs = Math.min(2 * waitMs, longestAgainMs)) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof MlflowProblem) || !error.isPassing) throw error;
        this.#warn(`MLflow: ${error.message}; the run goes on, and it is asked again`);
        // Once the run is over, little time is left to try again.
        if (this.#ending === null) await this.#pause(waitMs);
        else await sleep(this.#times.againMs);
      }
    }
    return null;
  }

  #giveUp(error: unknown): void {
    this.#isGivenUp = true;
    this.#waiting.splice(0);
    const reason = error instanceof Error ? error.message : String(error);
    this.#place.say('warn', `MLflow: ${reason}; the run goes on, and is not shown there any more`);
  }

  #warn(text: string): void {
    if (!this.#isWarned) this.#place.say('warn', text);
    this.#isWarned = true;
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#over.signal, ref: false }).catch(() => undefined);
  }
}
