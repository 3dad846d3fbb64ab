/**
 * A model that was exported for training, for inference: batch norm by its moving values, and no dropout. All else in
 * the file stays as it is. Pure.
 */
import { attributeProto, graphProto, modelProto, nodeProto } from './proto.js';
import { mapFields, rewritten } from './patch.js';
import { bytesIn, textIn } from './reader.js';

/** The same bytes where no node trains. @throws RangeError when the bytes are no protobuf message */
export function forInference(model: Uint8Array): Uint8Array {
  const nodes = bytesIn(model, modelProto.graph).flatMap((graph) => bytesIn(graph, graphProto.node));
  if (!nodes.some(isTraining)) return model;
  return mapFields(model, modelProto.graph, (graph) =>
    mapFields(graph, graphProto.node, (node) => (isTraining(node) ? inferring(node) : node)),
  );
}

function isTraining(node: Uint8Array): boolean {
  switch (textIn(node, nodeProto.opType)) {
    case 'BatchNormalization':
      return bytesIn(node, nodeProto.attribute).some(isTrainingMode);
    case 'Dropout':
      return bytesIn(node, nodeProto.input).length > 2;
    default:
      return false;
  }
}

function isTrainingMode(attribute: Uint8Array): boolean {
  return textIn(attribute, attributeProto.name) === 'training_mode';
}

/** Without the setting, and without what only a node that trains gives or takes. */
function inferring(node: Uint8Array): Uint8Array {
  const isNorm = textIn(node, nodeProto.opType) === 'BatchNormalization';
  let [inputs, outputs] = [0, 0];
  return rewritten(node, (number, whole, inner) => {
    const isLeftOut =
      (number === nodeProto.attribute && inner !== null && isTrainingMode(inner)) ||
      (isNorm && number === nodeProto.output && outputs++ > 0) ||
      (!isNorm && number === nodeProto.input && inputs++ > 1);
    return isLeftOut ? new Uint8Array(0) : whole;
  });
}
