/**
 * One trial after the other, until there are enough: what to do next comes from the journal's state alone, what becomes of
 * it goes into the journal. How a trial is run comes from outside.
 */
import type { Judged } from './objective.js';
import type { SearchJournal } from './search-journal.js';
import {
  nextTrial,
  verdict,
  type SearchPlan,
  type SearchState,
  type SearchTrial,
  type TrialEnd,
} from './search-state.js';

/** A student's evaluation at the end of an epoch. */
export interface TrialEpoch {
  /** Counted from 1. */
  readonly epoch: number;
  /** The epochs of the whole trial. */
  readonly of: number;
  readonly evaluation: Judged;
}

/** What a trial's run tells while it goes on, in order; epochs that it has told of before may come again. */
export type TellEpoch = (epoch: TrialEpoch) => Promise<void>;

/**
 * Runs a trial to its end, or until `stop` aborts.
 * @returns how it ended; null where it was stopped
 */
export type RunTrial = (trial: SearchTrial, tell: TellEpoch, stop: AbortSignal) => Promise<TrialEnd | null>;

export interface LoopOptions {
  readonly journal: Pick<SearchJournal, 'state' | 'append'>;
  readonly plan: SearchPlan;
  readonly run: RunTrial;
  /** Told of each trial that begins or goes on, and of each that is over. */
  readonly onBegin: (trial: SearchTrial) => void;
  readonly onEnd: (trial: SearchTrial, end: TrialEnd) => void;
}

/** @returns the state with all trials over @throws what `run` and the journal throw; the search goes on later then */
export async function searchOn({ journal, plan, run, onBegin, onEnd }: LoopOptions): Promise<SearchState> {
  for (;;) {
    const values = nextTrial(plan, journal.state);
    if (values !== null) await journal.append({ type: 'trial', trial: journal.state.trials.length + 1, values });
    const trial = journal.state.trials.at(-1);
    if (trial?.end !== null) return journal.state;
    onBegin(trial);
    const end = verdict(plan, journal.state) ?? (await runOne(trial, { journal, plan, run }));
    await journal.append({ type: 'end', trial: trial.number, ...end });
    onEnd(trial, end);
  }
}

async function runOne(
  trial: SearchTrial,
  { journal, plan, run }: Pick<LoopOptions, 'journal' | 'plan' | 'run'>,
): Promise<TrialEnd> {
  const stop = new AbortController();
  let told = Promise.resolve();
  const tell: TellEpoch = ({ epoch, of, evaluation }) => {
    const kept = told.then(async () => {
      const newest = [...(journal.state.trials.at(-1)?.epochs.keys() ?? [])].at(-1) ?? 0;
      if (epoch <= newest || verdict(plan, journal.state) !== null) return;
      await journal.append({ type: 'epoch', trial: trial.number, epoch, of, value: plan.objective.read(evaluation) });
      if (verdict(plan, journal.state) !== null) stop.abort(stoppedByHalving);
    });
    // Who tells gets the error; those who tell later are not to fail of it again.
    told = kept.catch(() => undefined);
    return kept;
  };
  const end = await run(trial, tell, stop.signal);
  await told;
  // What the epochs say counts: the run may have come to its end before it could be stopped.
  const decided = verdict(plan, journal.state) ?? end;
  if (decided === null) throw new Error(`trial ${trial.number} was stopped by nobody`);
  return decided;
}

/** Why a run is stopped that the search has given up. */
export const stoppedByHalving = 'the search goes on with other trials';
