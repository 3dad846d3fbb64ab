/** What an ensemble's labels depend on, as one digest: labels with another digest are other labels. Pure. */
import { createHash } from 'node:crypto';
/** Models, weights, temperatures, everything that the recipe says of a teacher, and the form of the mixture. */
export function ensembleDigest(teachers, { combine, rows, inputShape }) {
    const told = teachers.map(({ files, parameters: _parameters, canary: _canary, ...rest }) => [Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1)), files.map((file) => file.sha256)]);
    return createHash('sha256').update(JSON.stringify([combine, rows, inputShape, told])).digest('hex');
}
//# sourceMappingURL=ensemble-digest.js.map