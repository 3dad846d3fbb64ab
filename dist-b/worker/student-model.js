import { exitCodes, UserError } from '../shared/errors.js';
import { childrenOf, isContainer, modelOf } from '../shared/models/topology.js';
import { Norm } from './batch-norm.js';
import { checkLayers } from './layers.js';
import { unfuse } from './plain-convolution.js';
/**
 * Builds the model with the weights that its initializers give.
 * @throws UserError 65 when tfjs cannot build it, or a layer cannot be trained reproducibly
 */
export async function buildStudentModel(tf, topology) {
    checkLayers(topology);
    const model = await load(tf, topology);
    const placed = childrenOf(modelOf(topology)).flatMap((child) => place(model, child, { path: [], isFrozen: !model.trainable }));
    for (const { layer, className } of placed)
        if (className === 'Conv2D')
            unfuse(tf, layer);
    const norms = new Map();
    const weights = placed.flatMap((one) => {
        const norm = one.className === 'BatchNormalization' ? new Norm(tf, one.layer, one) : null;
        const own = weightsOf(tf, one, norm);
        const [first] = own;
        if (norm !== null && !one.isFrozen && first !== undefined)
            norms.set(first.spec.layer, norm);
        return own;
    });
    checkNames(weights);
    const dropouts = placed.filter(({ className }) => className === 'Dropout');
    return { model, weights, norms, dropouts };
}
async function load(tf, topology) {
    try {
        return await tf.loadLayersModel(tf.io.fromMemory({ modelTopology: topology }));
    }
    catch (error) {
        const reason = error instanceof Error ? (error.message.split('\n', 1)[0] ?? '') : '';
        throw new UserError(`student: tfjs cannot build its topology: ${reason.slice(0, 300)}`, exitCodes.data, error);
    }
}
function place(container, json, around) {
    const layer = container.getLayer(String(json.config.name));
    const isFrozen = around.isFrozen || !layer.trainable || json.config.trainable === false;
    const path = [...around.path, layer.name];
    if (!isContainer(json.class_name))
        return [{ layer, className: json.class_name, path, isFrozen }];
    if (!isModel(layer))
        throw new Error(`${layer.name} is no model`);
    return childrenOf(json).flatMap((child) => place(layer, child, { path, isFrozen }));
}
function isModel(layer) {
    return 'layers' in layer && 'getLayer' in layer;
}
function weightsOf(tf, { layer, isFrozen }, norm) {
    return layer.weights.map((weight) => {
        const variable = weight.read();
        if (!(variable instanceof tf.Variable))
            throw new Error(`${weight.name} is no variable`);
        const name = weight.originalName;
        const kind = kindOf(name, { isFrozen, isNorm: norm !== null });
        const base = { name, layer: name.slice(0, name.lastIndexOf('/')), shape: [...variable.shape], kind };
        return { spec: norm !== null && (kind === 'mean' || kind === 'variance') ? { ...base, momentum: norm.momentum } : base, variable };
    });
}
function kindOf(name, { isFrozen, isNorm }) {
    if (isFrozen)
        return 'frozen';
    if (isNorm && name.endsWith('/moving_mean'))
        return 'mean';
    return isNorm && name.endsWith('/moving_variance') ? 'variance' : 'trained';
}
function checkNames(weights) {
    const seen = new Set();
    for (const { spec } of weights) {
        if (seen.has(spec.name))
            throw new UserError(`student: two weights are named ${spec.name}; give its layers names of their own`, exitCodes.data);
        seen.add(spec.name);
    }
}
//# sourceMappingURL=student-model.js.map