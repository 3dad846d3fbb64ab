import { keyedSeed } from '../shared/random.js';
export function seedDropout(dropouts, key) {
    for (const { path, layer } of dropouts)
        Object.assign(layer, { seed: keyedSeed([...key, path.join('/')]) });
}
//# sourceMappingURL=dropout.js.map