/** What must stay as it is when a run is continued with another recipe (--force): its student and its plan of steps. */
import { UserError } from '../../shared/errors.js';
import type { ReplicaPlan } from '../../shared/replica/plan.js';
import type { UnitPlan } from '../plan/units.js';
import type { JournalLine } from './journal.js';
import type { Snapshots } from './snapshots.js';

/** @throws UserError (2) when the snapshots are not of this student and optimizer */
export function expectSameState(folderPath: string, snapshots: Pick<Snapshots, 'all'>, plan: ReplicaPlan): void {
  const other = snapshots.all.find(({ bytes }) => bytes !== plan.stateBytes);
  if (other === undefined) return;
  throw new UserError(
    `${folderPath}: its state has ${other.bytes} bytes, that of this student and optimizer ${plan.stateBytes}; a run goes on with its own student only: choose another --out`,
  );
}

/** @throws UserError (2) when what is committed so far is not what this recipe's plan begins with */
export function expectSameUnits(folderPath: string, lines: readonly JournalLine[], units: UnitPlan): void {
  for (const line of lines) {
    if (line.type !== 'commit' && line.type !== 'evaluation') continue;
    const unit = units.unitAt(line.unit);
    const isSame =
      line.type === 'commit'
        ? unit?.kind === 'train' && unit.step === line.step && unit.from === line.from && unit.to === line.to
        : unit?.kind === 'evaluate' &&
          unit.subject === line.subject &&
          unit.step === line.step &&
          unit.to === line.samples;
    if (!isSame)
      throw new UserError(
        `${folderPath}: the ${line.type === 'commit' ? '' : `${line.subject} `}${line.type} at step ${line.step} is not in this recipe's plan of steps; batch size, sample counts and evaluations must stay as they are: choose another --out`,
      );
  }
}
