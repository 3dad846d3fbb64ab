import { buildStudentModel } from './student-model.js';
import { zeroedTopology } from './student-topology.js';
/** Every tap that the student has and one sample's shape, from the input to the output. */
export async function studentTapShapes(tf, spec) {
    const { model } = await buildStudentModel(tf, zeroedTopology(spec.topology));
    try {
        const found = model.layers.flatMap((layer) => {
            const shape = outputOf(layer)?.shape.slice(1);
            if (shape === undefined || layer.getClassName() === 'InputLayer' || shape.some((dim) => dim === null))
                return [];
            return [{ name: layer.name, shape: shape.map((dim) => dim ?? 0) }];
        });
        return [...found.filter(({ name }) => name !== 'logits'), { name: 'logits', shape: [spec.classes] }];
    }
    finally {
        model.dispose();
    }
}
/** The same layers with the taps as further outputs, each value once. */
export function withTaps(tf, model, taps) {
    const outputs = [...model.outputs];
    const places = taps.map((tap) => {
        const output = tap === 'logits' ? model.outputs.at(-1) : outputOf(model.getLayer(tap));
        if (output === undefined)
            throw new Error(`the student has no tap ${tap}`);
        if (!outputs.includes(output))
            outputs.push(output);
        return [tap, outputs.indexOf(output)];
    });
    return { model: outputs.length === model.outputs.length ? model : tf.model({ inputs: model.inputs, outputs }), outputOf: new Map(places) };
}
/** Undefined for a layer that is used more than once, or gives more than one value. */
function outputOf(layer) {
    if (layer.inboundNodes.length !== 1)
        return undefined;
    return Array.isArray(layer.output) ? undefined : layer.output;
}
//# sourceMappingURL=student-taps.js.map