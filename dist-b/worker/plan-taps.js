/**
 * Which taps a run compares, before it starts: `pairs: auto` becomes pairs by name, every shape is checked, and adapters
 * become weights of the student's replica. What is wrong is said here, in one line.
 */
import { exitCodes, UserError } from '../shared/errors.js';
import { pairTerms, splitTap, tapPairs } from '../shared/recipe/terms.js';
import { adapterWeights } from './adapters.js';
import { studentTapShapes } from './student-taps.js';
/** The taps of one teacher whose shapes the plan needs. */
export function teacherTaps(recipe, teacher) {
    if (pairTerms.some((term) => recipe.losses[term]?.pairs === 'auto'))
        return 'all';
    const taps = tapPairs(recipe.losses).flatMap(({ teacher: path }) => {
        const found = path === null ? null : splitTap(path, recipe.teachers);
        return found?.teacher === teacher && found.tap !== 'logits' ? [found.tap] : [];
    });
    return [...new Set(taps)];
}
/** @throws UserError 2 for a tap that is not there and for shapes that do not fit */
export async function planTaps({ recipe, student, teachers, openTensorFlow }) {
    const wanted = pairTerms.some((term) => recipe.losses[term] !== undefined) || recipe.losses.selfDistillation !== undefined;
    if (!wanted)
        return { recipe, student };
    const own = await studentTapShapes(await openTensorFlow(), student.spec);
    const named = withPairs(recipe, own, teachers);
    const shapeOf = (pair) => ({
        student: studentShape(pair.student, own, pair.term), teacher: pair.teacher === null ? studentShape(pair.to ?? '', own, pair.term) : teacherShape(pair.teacher, { recipe, teachers, classes: student.spec.classes }),
    });
    const adapters = tapPairs(named.losses).flatMap((pair) => {
        const shapes = shapeOf(pair);
        checkPair(pair, shapes.student, shapes.teacher);
        return adapterWeights(pair, shapes, recipe.seed);
    });
    const spec = { ...student.spec, weights: [...student.spec.weights, ...adapters.map((adapter) => adapter.spec)] };
    return { recipe: named, student: { spec, weights: new Map([...student.weights, ...adapters.map((adapter) => [adapter.spec.name, adapter.values])]) } };
}
function studentShape(tap, own, term) {
    const found = own.find(({ name }) => name === tap);
    if (found !== undefined)
        return found.shape;
    throw new UserError(`losses.${term}: the student has no tap "${tap}"; it has ${own.map(({ name }) => name).join(', ')}`);
}
function teacherShape(path, { recipe, teachers, classes }) {
    const found = splitTap(path, recipe.teachers);
    if (found?.tap === 'logits')
        return [classes];
    const shape = teachers.get(found?.teacher ?? '')?.find(({ name }) => name === found?.tap)?.shape;
    if (shape === undefined)
        throw new UserError(`losses: ${path}: no such tap of a teacher`);
    return shape;
}
const spatial = new Set(['attention', 'selectivity']);
const channelwise = new Set(['features', 'selfDistillation']);
function checkPair(pair, student, teacher) {
    const where = `losses.${pair.term}: ${pair.student} [${student.join(', ')}] and ${pair.teacher ?? pair.to} [${teacher.join(', ')}]`;
    if (spatial.has(pair.term) && (student.length < 2 || student.length !== teacher.length))
        throw new UserError(`${where} are no maps of the same kind; [height, width, channels] wanted, or [time, features]`);
    if (pair.adapter === 'conv1x1' && (student.length < 2 || student.length !== teacher.length))
        throw new UserError(`${where}: conv1x1 maps the channels of maps; adapter dense wanted`);
    if (!channelwise.has(pair.term) || pair.adapter === 'dense') {
        if (pair.adapter === 'dense' && spatial.has(pair.term))
            throw new UserError(`${where}: dense makes no map; adapter conv1x1 or none wanted`);
        return;
    }
    const isSame = student.length === teacher.length && (pair.adapter === 'conv1x1' || student.at(-1) === teacher.at(-1));
    if (!isSame)
        throw new UserError(`${where} differ in their channels; adapter ${student.length === teacher.length && student.length > 1 ? 'conv1x1' : 'dense'} wanted`);
}
/** `auto` by name: for each spatial size of the student's maps its last one, with the last one of that size of each teacher. */
function withPairs(recipe, own, teachers) {
    const propose = (term) => {
        const found = [...teachers].flatMap(([teacher, taps]) => pairsBySize(lastBySize(own), lastBySize(taps)).map(([s, t]) => ({
            student: s.name, teacher: `${teacher}/${t.name}`, batchNorm: false, activation: 'linear', ...(channelwise.has(term) && s.shape.at(-1) !== t.shape.at(-1) ? { adapter: 'conv1x1' } : {}),
        })));
        if (found.length === 0)
            throw new UserError(`losses.${term}.pairs: auto finds no maps [height, width, channels] of one size in student and teachers; pairs by name wanted`, exitCodes.usage);
        return found;
    };
    let { losses } = recipe;
    for (const term of pairTerms)
        if (losses[term]?.pairs === 'auto')
            losses = { ...losses, [term]: { ...losses[term], pairs: propose(term) } };
    return { ...recipe, losses };
}
function lastBySize(taps) {
    const bySize = new Map();
    for (const tap of taps)
        if (tap.shape.length === 3 && (tap.shape[0] ?? 1) > 1)
            bySize.set(tap.shape.slice(0, 2).join('x'), tap);
    return [...bySize.values()];
}
function pairsBySize(student, teacher) {
    return student.flatMap((own) => {
        const other = teacher.find(({ shape }) => shape[0] === own.shape[0] && shape[1] === own.shape[1]);
        return other === undefined ? [] : [[own, other]];
    });
}
//# sourceMappingURL=plan-taps.js.map