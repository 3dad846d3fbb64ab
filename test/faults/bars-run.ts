/**
 * The run of the fault tests over real processes: bars in 30 steps, a student of two chunks of gradient, a snapshot
 * every seven steps. One that nothing disturbs is the oracle of the others. The student is compiled, or computed by
 * TensorFlow.js on wasm.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { verifyRun } from '../../coordinator/verify/verify.js';
import { barsRecipe, epochs, samples, steps, writeBars } from '../e2e/bars.js';
import { commitsOf, type Program } from '../../bench/programs.js';
import { curveOf, digestOf, onSocket, type Place, startCoordinator, startWorker, urlOf } from '../e2e/processes.js';

export class BarsRuns {
  readonly recipe: string;
  readonly #folder: string;
  #undisturbed: { readonly curve: unknown[]; readonly digest: string } | null = null;

  /**
   * @param more of the recipe, beside the snapshots
   * @param hidden units of the student's hidden layer, each of which has 69 weights
   */
  constructor(folder: string, backend: 'auto' | 'wasm' = 'wasm', more = '', hidden = 4096) {
    this.#folder = join(folder, more === '' ? backend : `${backend}-more`);
    mkdirSync(this.#folder, { recursive: true });
    this.recipe = join(this.#folder, 'recipe.yaml');
    writeBars(this.#folder);
    const student = `{ builtin: mlp, hidden: [${hidden}] }`;
    writeFileSync(this.recipe, barsRecipe({ student, backend, more: `snapshots: { everySteps: 7 }\n${more}` }));
  }

  /** Folders of a run of its own. */
  placeOf(name: string): Place {
    const stem = name.replaceAll(/\W+/g, '-');
    return { recipe: this.recipe, out: join(this.#folder, stem), caches: join(this.#folder, 'caches', stem) };
  }

  /** In one worker whose bulk bytes go through the socket, to the end. */
  async runUndisturbed(): Promise<void> {
    const place = this.placeOf('undisturbed');
    const coordinator = startCoordinator(place);
    const worker = startWorker(place, 'w0', await urlOf(coordinator), {}, undefined, onSocket);
    await expectDone(coordinator, worker);
    this.#undisturbed = { curve: curveOf(place.out), digest: digestOf(place.out) };
    expect(this.#undisturbed.curve).toHaveLength(steps);
  }

  /**
   * The same curve and weights as undisturbed, every sample of every epoch in exactly one commit, and sound accounts.
   */
  async expectUndisturbed(place: Place): Promise<void> {
    await expectSound(place);
    const { out } = place;
    expect(curveOf(out)).toEqual(this.#undisturbed?.curve);
    expect(digestOf(out)).toBe(this.#undisturbed?.digest);
    for (let epoch = 0; epoch < epochs; epoch++) {
      const covered = commitsOf(out)
        .filter((line) => line.epoch === epoch)
        .flatMap((line) => Array.from({ length: line.to - line.from }, (_, i) => line.from + i));
      expect(covered).toEqual([...Array(samples).keys()]);
    }
  }
}

/** The run's accounts close, whatever was killed when. */
export async function expectSound({ out }: Place): Promise<void> {
  expect((await verifyRun(out)).checks.filter(({ isSound }) => !isSound)).toEqual([]);
}

export async function expectDone(...programs: readonly Program[]): Promise<void> {
  for (const program of programs) {
    const { code, stderr } = await program.ended;
    expect(code, stderr).toBe(0);
  }
}
