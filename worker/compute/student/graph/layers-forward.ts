/** The forward of a student of layers. */
import { outputLayers } from '../../../../shared/models/exits.js';
import type { LayersSpec } from '../../../../shared/models/student-spec.js';
import { modelOf } from '../../../../shared/models/topology.js';
import { must } from '../../../../shared/must.js';
import { writeModel } from '../../onnx/layers/layers-model.js';
import { ownOperatorSets } from '../../onnx/write.js';
import { samplesName, type Forward } from './forward.js';
import { LiveBuilder } from './live-builder.js';

/** @throws UserError 65 for a layer that has no form in ONNX */
export function layersForward(spec: LayersSpec, { isTraining }: { readonly isTraining: boolean }): Forward {
  const builder = new LiveBuilder(spec.weights, { isTraining });
  builder.ranks.set(samplesName, spec.inputShape.length + 1);
  const model = modelOf(spec.topology);
  const last = writeModel(builder, model, samplesName);
  const layer = outputLayers(model).at(-1);
  const answer = layer === undefined ? last : must(builder.outputs, layer, 'output');
  const { nodes, constants, moments, outputs } = builder;
  return {
    operatorSets: ownOperatorSets,
    nodes,
    constants,
    answer,
    exits: (spec.exits ?? []).map((exit) => must(outputs, exit, 'exit')),
    tap: (name) => (name === 'logits' ? answer : must(outputs, name, 'tap')),
    moments,
  };
}
