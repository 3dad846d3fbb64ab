import { describe, expect, it } from 'vitest';
import { planReplica } from '../../../shared/replica/plan.js';
import { Replica } from '../../../shared/replica/replica.js';
import { Inbox } from '../../../worker/trainer/inbox.js';
import { Control } from '../../../worker/threads/control.js';
import { leaseOf, manifest, recipeOf, specOf } from '../fakes.js';

/** The replica is moved by another thread: at another step each time that it is looked at. */
class MovingControl extends Control {
  constructor(private readonly steps: number[]) {
    super();
  }
  override get step(): number {
    return this.steps.shift() ?? 0;
  }
}

describe('the weights of a lease', () => {
  it.each([
    ['are behind when the replica was just before them', [4, 5], 'behind'],
    ['are here when the replica was there', [5, 6], 'here'],
    ['are ahead when the replica was past them', [6, 7], 'ahead'],
  ])('%s, whatever the link has done since', (_case, readings, where) => {
    const [recipe, spec] = [recipeOf(), specOf(6)];
    const { memory } = new Replica(planReplica(spec, recipe.optimizer), { slots: 2 });
    const inbox = new Inbox(
      {
        type: 'begin',
        runNumber: 1,
        recipe,
        spec,
        teachers: [],
        manifest,
        files: new Map(),
        initialPath: '',
        memory,
        slots: 2,
        trainerSlots: [0],
      },
      new MovingControl(readings),
      () => undefined,
    );
    expect(inbox.weightsAre(leaseOf({ step: 5 }))).toBe(where);
  });
});
