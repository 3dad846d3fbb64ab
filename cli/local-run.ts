/** A whole run by workers of this machine. */
import type { Summary } from '../coordinator/reports/summary.js';
import { UserError } from '../shared/errors.js';
import { ownWorkersAlone, pageLine } from './credentials.js';
import { besideWorkers, planWorkers, type Beside } from './local-workers.js';
import type { FolderFlags } from './options.js';
import { say } from './output.js';
import { coordinateWhole, type OpenedRun } from './whole-run.js';

/** The flags of a verb that runs a recipe by workers of this machine. */
export interface LocalRunFlags extends FolderFlags {
  /** How many workers make labels alone, beside those that train; absent: none. */
  readonly labelWorkers?: number;
}

/**
 * Coordinates a run and has it computed by local workers, to the end.
 * @throws UserError 2 when the recipe waits for labels that nobody would make; 69 and others when the run fails or all
 * its workers are lost
 */
export async function runLocally(opened: OpenedRun, flags: LocalRunFlags): Promise<Summary> {
  const { run } = opened;
  const { labelWorkers } = flags;
  const access = ownWorkersAlone();
  const { credentials, token, announce } = access;
  const kinds = [await planWorkers(run, flags, { token, role: 'train' })];
  if (labelWorkers !== undefined)
    kinds.push(await planWorkers(run, { ...flags, workers: labelWorkers }, { token, role: 'label' }));
  else if (run.recipe.labels.wait)
    throw new UserError(
      'labels.wait: true given; somebody to make the labels was wanted: run --label-workers N, or a coordinator that they join',
    );
  const address = { host: '127.0.0.1', port: 0 };
  let retract: (() => void) | null = null;
  const beside = ({ start, lost }: Beside): Promise<Summary> => {
    const onListening = (port: number): void => {
      if (retract === null && flags.quiet !== true) {
        say(pageLine({ ...address, port }, access, process.stderr.isTTY));
        say(`watch it with:  stillhouse status ws://127.0.0.1:${port}`);
      }
      retract ??= announce(port);
      start(port);
    };
    return Promise.race([coordinateWhole(opened, { address, credentials, flags, onListening }), lost]);
  };
  // Trainers that wait for labels wait for ever where nobody is left to make them.
  return besideWorkers(kinds, beside, run.recipe.labels.wait ? kinds.length : 1).finally(() => retract?.());
}
