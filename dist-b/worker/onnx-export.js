/** A student's topology and weights as an ONNX file: `input` [batch x sample, channels last] to `logits`. Pure. */
import { z } from 'zod';
import { exitCodes, UserError } from '../shared/errors.js';
import { childrenOf, isContainer, modelOf } from '../shared/models/topology.js';
import { nameOf, OnnxBuilder, writeLayer } from './onnx-layers.js';
import { writeOnnx } from './onnx-write.js';
const placeSchema = z.tuple([z.string(), z.number(), z.number()]).rest(z.unknown());
const nodesSchema = z.array(z.array(placeSchema));
/** @throws UserError 65, naming layer and type, for what cannot be written */
export function studentOnnx({ topology, inputShape }, weights) {
    const builder = new OnnxBuilder(weights);
    const last = writeModel(builder, modelOf(topology), 'input');
    builder.nodes.push({ op: 'Identity', inputs: [last], output: 'logits', attributes: {} });
    return writeOnnx({ nodes: builder.nodes, constants: builder.constants, inputShape });
}
function writeModel(builder, model, input) {
    const outputs = new Map();
    let last = input;
    for (const layer of childrenOf(model)) {
        const inputs = inputsOf(model, layer, outputs) ?? [last];
        const [first = input] = inputs;
        last = isContainer(layer.class_name) ? writeModel(builder, layer, first) : writeLayer(builder, layer, inputs.length === 0 ? [input] : inputs);
        outputs.set(nameOf(layer), last);
    }
    const name = z.array(placeSchema).safeParse(model.config.output_layers).data?.[0]?.[0];
    return name === undefined ? last : (outputs.get(name) ?? last);
}
/** The outputs that the layer takes; null in a Sequential model, where it takes the last. */
function inputsOf(model, layer, outputs) {
    if (model.class_name === 'Sequential')
        return null;
    const nodes = nodesSchema.parse(layer.inbound_nodes ?? []);
    if (nodes.length > 1)
        throw new UserError(`student layer ${nameOf(layer)} (${layer.class_name}): it is applied ${nodes.length} times; one was wanted for ONNX`, exitCodes.data);
    return (nodes[0] ?? []).map(([name]) => {
        const found = outputs.get(name);
        if (found === undefined)
            throw new UserError(`student layer ${nameOf(layer)} (${layer.class_name}): its input ${name} comes after it; layers in order were wanted`, exitCodes.data);
        return found;
    });
}
//# sourceMappingURL=onnx-export.js.map