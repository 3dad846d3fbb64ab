/**
 * A run that is finished, one that was stopped and one that was killed, and what becomes of each when one of its files
 * is damaged: what `verify` says, and what the next start does. The weights of the undisturbed run after each step are
 * the oracle: a start that comes to one of them, with the same journal before it, goes on to the same result.
 */
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { oneToken } from '../../../shared/access/credentials.js';
import { UserError } from '../../../shared/errors.js';
import { exportStudent } from '../../../worker/tools/export/export-student.js';
import { coordinate } from '../../../coordinator/coordinator.js';
import { recoverRun } from '../../../coordinator/recovered-run.js';
import { expectWhole } from '../../../coordinator/reports/finished-run.js';
import { silentOutput, type ReportOutput } from '../../../coordinator/reports/outputs/output.js';
import { readSummary } from '../../../coordinator/results.js';
import type { JournalLine } from '../../../coordinator/store/journal.js';
import { identityOf } from '../../../coordinator/store/resolved-recipe.js';
import { isFinished, openRunFolder } from '../../../coordinator/store/run-folder.js';
import { verifyRun } from '../../../coordinator/verify/verify.js';
import { FakeWorker } from '../../coordinator/fake-worker.js';
import { tinyRun } from '../../coordinator/tiny-run.js';
import type { RandomStream } from '../simulation/random-stream.js';
import { damages } from './damages.js';

const run = tinyRun({ recipe: { snapshots: { everySteps: 2, keep: 2 } } });
const token = 'a-token-for-the-tests-of-damage-0123456789';
/** The step at which the coordinator of the state is stopped or killed. */
const breakAt = { stopped: 4, killed: 7 };

export const states = ['finished', 'stopped', 'killed'] as const;
export type State = (typeof states)[number];

/** Kinds of files in a run's folder, by their paths. */
export const kinds: Readonly<Record<string, RegExp>> = {
  journal: /^journal\.jsonl$/,
  metrics: /^metrics\.jsonl$/,
  recipe: /^recipe\.yaml$/,
  probe: /^probe\.json$/,
  summary: /^summary\.json$/,
  generation: /^generations\/\d+$/,
  log: /^log\//,
  snapshotHeader: /^snapshots\/.*\.json$/,
  snapshotState: /^snapshots\/.*\.state$/,
  best: /best\.weights$/,
  student: /^student\//,
  studentBest: /^student-best\//,
  events: /^events\//,
};

export interface Trial {
  readonly file: string;
  readonly damage: string;
  readonly isSound: boolean;
  /** What the start did: it went on in silence, said something first, or refused with one line. */
  readonly start: 'silent' | 'warned' | 'refused';
  readonly said: readonly string[];
  readonly checks: readonly string[];
  /** What must not be, in words; none for a sound outcome. */
  readonly faults: readonly string[];
}

export class DamagedRuns {
  readonly #folder: string;
  #hashes: readonly string[] = [];
  #curve: readonly unknown[] = [];

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Makes the runs, and a second one of each from which files may come. */
  async make(): Promise<void> {
    for (const place of ['', '-elsewhere']) {
      for (const state of states) await this.#makeOne(state, `${this.#pathOf(state)}${place}`);
    }
    const lines = readJournalFile(this.#pathOf('finished'));
    this.#curve = curveOf(lines);
    const commits = lines.flatMap((line) => (line.type === 'commit' ? [line.digest] : []));
    this.#hashes = [await this.#hashOfNew(), ...commits];
  }

  /** Whether a run in this state has files of the kind. */
  has(state: State, kind: string): boolean {
    return this.#filesOf(state, kind).length > 0;
  }

  /** Damages one file of a copy, and looks at what `verify` and a start make of it; null where nothing changed. */
  async try(state: State, kind: string, random: RandomStream): Promise<Trial | null> {
    const source = this.#pathOf(state);
    const copy = join(this.#folder, 'copy');
    rmSync(copy, { recursive: true, force: true });
    cpSync(source, copy, { recursive: true });
    const files = this.#filesOf(state, kind);
    const [file = ''] = files.splice(random.below(files.length), 1);
    const names = Object.keys(damages);
    const damage = names[random.below(names.length)] ?? '';
    const before = readFileSync(join(source, file));
    const elsewhere = this.#elsewhere(state, kind, random);
    const after = damages[damage]?.(before, random, elsewhere) ?? null;
    if (after?.equals(before) === true) return null;
    if (after === null) rmSync(join(copy, file));
    else writeFileSync(join(copy, file), after);
    return this.#outcomeOf(copy, { file, damage });
  }

  async #outcomeOf(copy: string, { file, damage }: Pick<Trial, 'file' | 'damage'>): Promise<Trial> {
    const { isSound, checks } = await verifyRun(copy);
    const said: string[] = [];
    const faults: string[] = [];
    let start: Trial['start'] = 'silent';
    try {
      faults.push(...(await this.#start(copy, said)));
      if (said.length > 0) start = 'warned';
    } catch (error) {
      start = 'refused';
      if (!(error instanceof UserError) || error.exitCode !== 65) throw error;
      said.push(error.message);
      if (error.message.includes('\n')) faults.push('refused with more than one line');
    }
    if (isSound && start !== 'silent') faults.push(`verify calls it sound; the start ${start}: ${said.join('; ')}`);
    const failed = checks.filter((check) => !check.isSound).map(({ name, text }) => `${name}: ${text}`);
    return { file, damage, isSound, start, said, checks: failed, faults };
  }

  /** @returns what is another than in the undisturbed run */
  async #start(copy: string, said: string[]): Promise<string[]> {
    if (await isFinished(copy)) {
      const summary = await readSummary(copy, run.recipeDigest);
      await expectWhole(copy, (name) => name.startsWith('student'));
      return summary.digest === (await readSummary(this.#pathOf('finished'), run.recipeDigest)).digest
        ? []
        : ['another summary'];
    }
    const folder = await openRunFolder(copy, identityOf(run), {});
    try {
      const found = await recoverRun(folder, run, {
        reporter: reporterInto(said),
        timeOfDayMs: Date.now,
        force: false,
      });
      const { step, update, stateHash, lines, unit } = found.standing;
      await found.journal.close();
      await found.log.close();
      const curve = curveOf(lines);
      return [
        ...(stateHash === this.#hashes[step] ? [] : [`another state at step ${step}`]),
        ...(update === step ? [] : [`update ${update} at step ${step}`]),
        ...(unit === curve.length ? [] : [`unit ${unit} after ${curve.length}`]),
        ...(JSON.stringify(curve) === JSON.stringify(this.#curve.slice(0, curve.length)) ? [] : ['another journal']),
      ];
    } finally {
      await folder.close();
    }
  }

  /** The hash of the state at step 0, by a new run. */
  async #hashOfNew(): Promise<string> {
    const folder = await openRunFolder(join(this.#folder, 'new'), identityOf(run), {});
    const { standing, journal, log } = await recoverRun(folder, run, {
      reporter: silentOutput,
      timeOfDayMs: Date.now,
      force: false,
    });
    await journal.close();
    await log.close();
    await folder.close();
    return standing.stateHash;
  }

  async #makeOne(state: State, out: string): Promise<void> {
    const stop = new AbortController();
    const [live, at] = [`${out}-live`, state === 'finished' ? null : breakAt[state]];
    let hear: (port: number) => void = () => undefined;
    const port = new Promise<number>((resolve) => (hear = resolve));
    const summary = coordinate(run, {
      listen: { host: '127.0.0.1', port: 0 },
      credentials: oneToken(token),
      out: live,
      stopSignal: stop.signal,
      next: false,
      onListening: hear,
      reporter: silentOutput,
      exportStudent: async (spec, weights, folder, facts) => void (await exportStudent(spec, weights, folder, facts)),
      times: { tickMs: 20 },
    });
    const onStep = (step: number): void => {
      if (step !== at) return;
      // The coordinator is of this process, so that nothing is written while the folder is copied, as after a kill.
      if (state === 'killed') cpSync(live, out, { recursive: true });
      else stop.abort('SIGTERM');
    };
    const worker = new FakeWorker({ run, port: await port, token, onStep });
    const error: unknown = await summary.then(
      () => null,
      (reason: unknown) => reason,
    );
    await worker.closed;
    if (state === 'stopped' ? !(error instanceof UserError && error.exitCode === 75) : error !== null) throw error;
    if (state !== 'killed') cpSync(live, out, { recursive: true });
  }

  #pathOf(name: string): string {
    return join(this.#folder, name);
  }

  #filesOf(state: string, kind: string): string[] {
    const root = this.#pathOf(state);
    const all = readdirSync(root, { recursive: true, withFileTypes: true });
    return all
      .filter((entry) => entry.isFile())
      .map((entry) => relative(root, join(entry.parentPath, entry.name)))
      .filter((name) => kinds[kind]?.test(name) === true)
      .sort();
  }

  #elsewhere(state: State, kind: string, random: RandomStream): Buffer {
    const place = `${state}-elsewhere`;
    const files = this.#filesOf(place, kind);
    return readFileSync(join(this.#pathOf(place), files[random.below(files.length)] ?? ''));
  }
}

function reporterInto(said: string[]): ReportOutput {
  return {
    ...silentOutput,
    say: (level, text) => {
      if (level !== 'info') said.push(text);
    },
  };
}

function readJournalFile(folder: string): JournalLine[] {
  const lines = readFileSync(join(folder, 'journal.jsonl'), 'utf8').trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as JournalLine);
}

/** What was computed, without who and when. */
function curveOf(lines: readonly JournalLine[]): unknown[] {
  return lines.flatMap((line) =>
    line.type === 'commit'
      ? [[line.step, line.unit, line.samples, line.loss, line.counts, line.digest]]
      : line.type === 'evaluation'
        ? [[line.step, line.unit, line.samples, line.sums]]
        : [],
  );
}
