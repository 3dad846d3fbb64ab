/** What a run is a run of: its resolved recipe with the digests of all that it names, as `recipe.yaml` in the run folder. */
import { stringify } from 'yaml';
export function identityOf(run) {
    const { recipe, name, recipeDigest, studentArtifact, manifestArtifact } = run;
    const teachers = Object.fromEntries(run.teachers.map((teacher) => [teacher.name, teacher.files.map(({ sha256 }) => sha256)]));
    const digests = { recipe: recipeDigest, student: studentArtifact.sha256, data: manifestArtifact.sha256, teachers };
    return { recipeDigest, recipeText: stringify({ ...recipe, name, digests }) };
}
/** How two values differ, a line for each key: `optimizer.learningRate: 0.1 there, 0.2 here`. Pure. */
export function differences(there, here, path = '') {
    if (isTree(there) && isTree(here)) {
        const keys = [...new Set([...Object.keys(there), ...Object.keys(here)])];
        return keys.flatMap((key) => differences(there[key], here[key], path === '' ? key : `${path}.${key}`));
    }
    const [before, after] = [shown(there), shown(here)];
    return before === after ? [] : [`${path}: ${before} there, ${after} here`];
}
/** Objects and lists alike: a list's keys are its places. */
function isTree(value) {
    return typeof value === 'object' && value !== null;
}
const digestLength = 64;
function shown(value) {
    if (value === undefined)
        return 'nothing';
    if (typeof value === 'string' && value.length === digestLength)
        return value.slice(0, 12);
    return JSON.stringify(value);
}
//# sourceMappingURL=resolved-recipe.js.map