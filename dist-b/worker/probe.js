/**
 * The numerics probe of a worker that joins: micro-batch 0 of epoch 0 under the initial weights, labels and student's
 * gradient, twice. Equal digests on two workers mean equal bits; two digests on one mean a device that cannot repeat itself.
 */
import { readFile } from 'node:fs/promises';
import { ProtocolError } from '../shared/errors.js';
import { lossesAt } from '../shared/recipe/schedules.js';
import { termsIn } from '../shared/recipe/terms.js';
import { microBatchCount, microBatchRange } from '../shared/reduction/tree.js';
import { layoutReplica } from '../shared/replica.js';
/** Leaves the initial weights in the student. */
export async function probe({ compute, recipe, manifest, initialPath, replica, slot }) {
    loadInitial(compute, replica, await readFile(initialPath));
    const size = Math.min(recipe.batch.size, manifest.train.samples);
    const { to } = microBatchRange(size, microBatchCount(size, recipe.batch.micro ?? recipe.batch.size), 0);
    const once = async () => {
        const { inputs, rows, targets } = await compute.trainBatch(0, 0, to);
        const divisors = Object.fromEntries(termsIn(recipe.losses).map((term) => [term, rows]));
        const step = { losses: lossesAt(recipe.losses), divisors, dropoutKey: [recipe.seed, 'dropout', 0, 0, 0] };
        replica.clearSlot(slot);
        const leaf = replica.leaf(slot).fill(0);
        const { hasGradient, moments } = await compute.student.gradients(inputs, rows, targets, step, leaf);
        if (hasGradient)
            replica.writeMoments(slot, moments);
        else
            [replica.clearSlot(slot), leaf.fill(0)];
        // Before it is rounded, which hides differences here that show elsewhere.
        return replica.hashLeaf(slot);
    };
    const digest = await once();
    return { digest, repeatable: (await once()) === digest };
}
function loadInitial(compute, replica, state) {
    const { plan } = replica;
    if (state.byteLength !== plan.stateBytes)
        throw new ProtocolError(`the initial state has ${state.byteLength} bytes, this student's has ${plan.stateBytes}`);
    const layout = layoutReplica(plan, 0);
    const floats = Float32Array.from(new Float32Array(state.buffer.slice(state.byteOffset, state.byteOffset + state.byteLength)));
    const region = (at, length) => floats.subarray(at / 4, at / 4 + length);
    compute.student.load(region(layout.weights, plan.gradientFloats), region(layout.frozen, plan.frozenFloats), region(layout.moving, plan.movingFloats));
}
//# sourceMappingURL=probe.js.map