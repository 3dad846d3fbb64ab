import { shape4 } from './attrs.js';
export function inputOf(inputs, name) {
    const found = inputs[name];
    if (found === undefined)
        throw new Error(`a kernel needs the input ${name}`);
    return found;
}
/** An input of shape [batch, height, width, channels]. */
export function imagesOf(inputs, name) {
    const found = inputOf(inputs, name);
    return found.as4D(...shape4(found.shape));
}
//# sourceMappingURL=composition.js.map