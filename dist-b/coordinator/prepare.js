/**
 * From a checked recipe to a run that can start: shards written, models inspected, everything digested. What is wrong
 * with the user's files is said here, before any worker is let in. The parts that know tfjs and file formats are handed
 * in, since the coordinator may not import them.
 */
import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import { exitCodes, UserError } from '../shared/errors.js';
import { cutLabelFile } from '../shared/labels/cut-file.js';
import { labelKinds } from '../shared/labels/sets.js';
import { baseTemperature, terms, termsIn } from '../shared/recipe/terms.js';
import { weightsDigest } from './reports/summary.js';
import { unitsOf } from './units-of.js';
/** @throws UserError 2 when files and recipe do not fit each other, 65 when a file is damaged */
export async function prepareRun(options) {
    const { recipe: given, recipeFolder, name } = options;
    const data = await prepareData(options);
    const expected = {
        inputShape: data.manifest.train.shape, classes: data.manifest.classes, seed: given.seed,
        responseTemperature: baseTemperature(given.losses), classNames: given.data.classNames, preprocess: data.manifest.preprocess,
    };
    const inspected = await options.tools.inspectStudent(given.student, recipeFolder, expected);
    checkExits(given, inspected.spec);
    const teachers = await prepareTeachers(options, expected);
    const { recipe, student } = await options.tools.planTaps(given, inspected, teachers.taps);
    const artifacts = new Map([...data.artifacts, ...teachers.artifacts]);
    const studentArtifact = addJson(artifacts, student.spec);
    const manifestArtifact = addJson(artifacts, data.manifest);
    return {
        recipe, recipeFolder, name, student: student.spec, initialWeights: student.weights, teachers: teachers.specs, artifacts, studentArtifact,
        manifestArtifact, manifest: data.manifest, trainLabels: data.labels, sampleAt: sampler(options.tools, recipe, data.manifest.train),
        recipeDigest: digestOf({ recipe, student: studentArtifact.sha256, weights: weightsDigest(student.weights), teachers: teachers.specs.map(({ canary: _, ...spec }) => spec), data: manifestArtifact.sha256 }),
    };
}
/** @throws UserError 2 when a loss asks for exits that the student does not have */
function checkExits({ losses }, { exits }) {
    const term = termsIn(losses).find((name) => terms[name].exits);
    if (term !== undefined && exits === undefined)
        throw new UserError(`losses.${term}: the student has one output; earlier exits wanted (student.exits: true, or a model with several outputs)`);
}
async function prepareData({ recipe, recipeFolder, shardFolder, tools }) {
    const write = (source) => tools.writeShards(source, recipeFolder, shardFolder, { shardSamples: recipe.data.shardSamples });
    const train = await write(recipe.data.train);
    const evaluation = recipe.data.eval === undefined ? null : await write(recipe.data.eval);
    if (train.dataSet.samples === 0)
        throw new UserError('data.train: no samples', exitCodes.data);
    if (evaluation !== null && evaluation.dataSet.shape.join() !== train.dataSet.shape.join()) {
        throw new UserError(`data.eval: samples of shape [${evaluation.dataSet.shape.join(', ')}]; data.train has [${train.dataSet.shape.join(', ')}]`);
    }
    const classes = classesOf(recipe, train.labels, evaluation?.labels ?? new Int32Array(0));
    checkLabels('data.train', train.labels, classes);
    if (evaluation !== null)
        checkLabels('data.eval', evaluation.labels, classes);
    const sets = evaluation === null ? [train.dataSet] : [train.dataSet, evaluation.dataSet];
    const artifacts = new Map(sets.flatMap(({ shards }) => shards.map(({ sha256 }) => [sha256, { path: join(shardFolder, sha256) }])));
    const labels = recipe.labels.from === undefined || labelKinds(recipe).length === 0 ? undefined : await cutLabelFile(resolve(recipeFolder, recipe.labels.from), shardFolder, recipe, { train: train.dataSet, classes });
    for (const { sha256 } of labels?.blocks ?? [])
        artifacts.set(sha256, { path: join(shardFolder, sha256) });
    const manifest = { ...(labels === undefined ? {} : { labels }), train: train.dataSet, eval: evaluation?.dataSet ?? null, classes, preprocess: recipe.data.preprocess ?? null };
    return { manifest, labels: train.labels, artifacts };
}
/** As the recipe says, else one more than the greatest label. */
function classesOf(recipe, ...labels) {
    const given = recipe.data.classes ?? recipe.data.classNames?.length ?? ('builtin' in recipe.student ? recipe.student.classes : undefined);
    const found = labels.reduce((most, values) => values.reduce((max, label) => Math.max(max, label), most), -1) + 1;
    if (given === undefined && found === 0)
        throw new UserError('data.classes is needed: the data has no labels to count classes by');
    return given ?? found;
}
function checkLabels(where, labels, classes) {
    const at = labels.findIndex((label) => label >= classes);
    if (at >= 0)
        throw new UserError(`${where}: sample ${at} has label ${labels[at]}; with ${classes} classes labels go from 0 to ${classes - 1}`, exitCodes.data);
}
async function prepareTeachers({ recipe, recipeFolder, tools, warn }, expected) {
    const specs = [];
    const taps = new Map();
    const artifacts = new Map();
    for (const teacher of recipe.teachers) {
        const { spec, paths, warnings, taps: found } = await tools.inspectTeacher(teacher, recipeFolder, expected, recipe);
        taps.set(teacher.name, found);
        for (const warning of warnings)
            warn(warning);
        for (const [sha256, path] of paths)
            artifacts.set(sha256, { path });
        specs.push(spec);
    }
    return { specs, artifacts, taps };
}
/** Keeps the order of the epoch that was asked for last. */
function sampler({ epochOrder }, recipe, dataSet) {
    let current = { epoch: -1, order: { at: (position) => position } };
    return (epoch, position) => {
        if (current.epoch !== epoch)
            current = { epoch, order: epochOrder(dataSet, recipe.seed, epoch, recipe.data.shuffle) };
        return current.order.at(position);
    };
}
function addJson(artifacts, value) {
    const bytes = Buffer.from(JSON.stringify(value));
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    artifacts.set(sha256, { bytes });
    return { sha256, bytes: bytes.length };
}
/** SHA-256 of the value as JSON with sorted keys. */
export function digestOf(value) {
    return createHash('sha256').update(JSON.stringify(sorted(value))).digest('hex');
}
function sorted(value) {
    if (Array.isArray(value))
        return value.map(sorted);
    if (typeof value !== 'object' || value === null)
        return value;
    return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, item]) => [key, sorted(item)]));
}
/**
 * The recipe of the student trained alone: same seed, same number of steps, the labelled samples and their cross entropy.
 * @throws UserError (2) when nothing is labelled
 */
export function baselineRecipe(run) {
    const { recipe, trainLabels } = run;
    const labelled = trainLabels.reduce((count, label) => (label >= 0 ? count + 1 : count), 0);
    if (labelled === 0)
        throw new UserError('baseline: the training data has no labels to train on alone');
    const { stepsPerEpoch, totalSteps } = unitsOf(run);
    const ownStepsPerEpoch = Math.ceil(labelled / recipe.batch.size);
    const everyEpochs = Math.max(1, Math.round((stepsPerEpoch * recipe.evaluate.everyEpochs) / ownStepsPerEpoch));
    const { epochs: _epochs, ...rest } = recipe;
    return {
        ...rest, student: withoutExits(recipe.student), teachers: [], losses: { crossEntropy: { labelSmoothing: 0, ...recipe.losses.crossEntropy, weight: 1 } }, baseline: false,
        steps: totalSteps, evaluate: { everyEpochs }, data: { ...recipe.data, train: { ...recipe.data.train, onlyLabelled: true } },
    };
}
/** A built-in student is trained alone without exits that nothing would train. */
function withoutExits(student) {
    if (!('builtin' in student))
        return student;
    const { exits: _, ...rest } = student;
    return rest;
}
//# sourceMappingURL=prepare.js.map