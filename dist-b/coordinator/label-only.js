/** A coordinator that only makes labels: no student, no steps, no run folder. It ends when every label is there. */
import { exitCodes, UserError } from '../shared/errors.js';
import { writeNpz } from '../shared/labels/write-npz.js';
import { closeCodes } from '../shared/protocol/messages.js';
import { listen } from './admission.js';
import { LabelDesk } from './labels.js';
const tickMs = 100;
const reportMs = 5000;
/** @throws UserError 2 when the recipe wants no labels, 75 when asked to stop (what was made is kept) */
export async function makeLabels(run, options) {
    let fail = () => undefined;
    const failed = new Promise((_resolve, reject) => {
        fail = reject;
    });
    failed.catch(() => undefined);
    const desk = openDesk(run, options, fail);
    const before = await desk.kept();
    for (const line of await desk.lines())
        options.say(line);
    if (!(await desk.isDone()))
        await labelBehindDoor(run, desk, options, { failed, fail });
    if (options.out !== undefined)
        await writeLabels(desk, options.out, before.samples);
    return { samples: before.samples, made: before.samples - before.kept };
}
async function labelBehindDoor(run, desk, options, { failed, fail }) {
    const door = await listen({
        ...options.listen, token: options.token, labels: desk, isReady: () => true, onError: fail, find: (sha256) => run.artifacts.get(sha256),
        onWorker: (socket) => socket.close(closeCodes.refused, 'only labels are made here: start the worker with --role label'),
    });
    try {
        options.onListening(door.port);
        await Promise.race([untilDone(desk, options), failed, ...(options.lost === undefined ? [] : [options.lost])]);
        await desk.settle();
    }
    finally {
        await door.close();
        await desk.close();
    }
}
function openDesk(run, { labels, say }, onError) {
    const desk = LabelDesk.open({ run, home: labels, warn: say, onError });
    if (desk !== null)
        return desk;
    if (!run.recipe.labels.cache)
        throw new UserError('labels.cache: false given; true wanted, since labels are made to be kept');
    throw new UserError('losses: no term wants soft labels of a teacher; response with a teacher wanted');
}
async function untilDone(desk, { stopSignal, say }) {
    let told = { ms: performance.now(), kept: (await desk.kept()).kept };
    while (!(await desk.isDone())) {
        if (stopSignal.aborted)
            throw new UserError(`stopped (${String(stopSignal.reason)}); the labels made so far are kept, run the same command again to continue`, exitCodes.stopped);
        await new Promise((resolve) => setTimeout(resolve, tickMs));
        const ms = performance.now();
        if (ms - told.ms < reportMs)
            continue;
        const { kept, samples } = await desk.kept();
        say(`labels: ${kept} of ${samples}, ${Math.round((1000 * (kept - told.kept)) / (ms - told.ms))} samples/s`);
        told = { ms, kept };
    }
}
/** Labels of the first kind as `logits`, with the temperature that they are softened at already. */
async function writeLabels(desk, out, samples) {
    const [set] = desk.sets;
    if (set === undefined)
        throw new Error('a desk without label sets');
    const temperature = set.form.isDistribution ? [{ name: 'temperature', dims: [1], pieces: [Float32Array.of(Number(set.name.slice(2)))] }] : [];
    await writeNpz(out, [{ name: 'logits', dims: [samples, set.form.classes], pieces: sound(desk.values(0)) }, ...temperature]);
}
async function* sound(pieces) {
    for await (const piece of pieces) {
        if (piece === null)
            throw new UserError('labels: a block was damaged on the disk; run the same command again to make it anew', exitCodes.data);
        yield piece;
    }
}
//# sourceMappingURL=label-only.js.map