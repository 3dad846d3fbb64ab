/** What the core is told of a run once, when it starts. */
import { createHmac } from 'node:crypto';
import { contributionBytes } from '../shared/replica/reduction/contribution.js';
import type { ReplicaPlan } from '../shared/replica/plan.js';
import type { DecideConfig, TeacherPolicy } from './decide/types.js';
import { usualProportion } from './decide/proportion.js';
import { dropHindrances } from '../shared/recipe/check-teachers.js';
import type { PreparedRun } from './plan/prepared-run.js';
import { unitShards } from './plan/unit-shards.js';
import type { UnitPlan } from './plan/units.js';
import type { RunTimes } from './run-parts.js';
import { droppedAtEnd, skipsAtEnd, type JournalLine } from './store/journal.js';
import type { Recovered } from './store/recovery.js';

export interface CoreConfigParts {
  readonly run: PreparedRun;
  readonly units: UnitPlan;
  readonly plan: ReplicaPlan;
  readonly standing: Pick<Recovered, 'unit' | 'stateHash' | 'lines'>;
  readonly times: Pick<RunTimes, 'silenceMs' | 'firstLeaseMs'>;
  /** Slots for contributions: those of the leftmost prefix, and those for early ones. */
  readonly slots: number;
  /** Whether this process has rebuilt its replica already. */
  readonly isRebuilt: boolean;
  /** Whether workers of other machines may come. */
  readonly isOpenToOthers: boolean;
  /** The run's, which no worker knows. */
  readonly secret: string;
}

/** How long a block that failed at newcomers of one host alone waits for another's. */
const secondOpinionMs = 30_000;

export function coreConfigOf(parts: CoreConfigParts): DecideConfig {
  const { run, units, plan, standing, times, slots, isRebuilt, isOpenToOthers, secret } = parts;
  return {
    unitAt: (index) => units.unitAt(index),
    firstUnit: standing.unit,
    stateHash: standing.stateHash,
    skips: skipsAtEnd(standing.lines),
    policy: policyOf(run, standing.lines),
    isRebuilt,
    slots,
    contributionBytes: contributionBytes(plan),
    silenceMs: times.silenceMs,
    firstLeaseMs: times.firstLeaseMs,
    secondOpinionMs: isOpenToOthers ? secondOpinionMs : 0,
    proportion: usualProportion,
    shardsOf: unitShards(run),
    audits: auditsOf(run.recipe.audit ?? 0, secret),
  };
}

function policyOf({ recipe, teachers }: PreparedRun, lines: readonly JournalLine[]): TeacherPolicy {
  return {
    onFailure: recipe.ensemble.onFailure,
    mayDrop: dropHindrances(recipe).length === 0,
    teachers: teachers
      .filter(({ weight, specialist }) => weight > 0 && specialist === undefined)
      .map(({ name }) => name),
    dropped: droppedAtEnd(lines),
  };
}

/** Chooses this share of all blocks, the same ones whenever the run goes on: by a key that the coordinator alone has. */
export function auditsOf(share: number, secret: string): DecideConfig['audits'] {
  if (share === 0) return undefined;
  return {
    isChosen: ({ kind, subject = 'student', step }, { level, index }) => {
      const name = `audit ${kind} ${subject} ${step} ${level}.${index}`;
      const drawn = createHmac('sha256', secret).update(name).digest().readUIntBE(0, 6);
      return drawn < share * 2 ** 48;
    },
  };
}
