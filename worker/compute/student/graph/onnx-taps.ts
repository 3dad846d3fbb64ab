/** The taps of a student that is an ONNX graph, and their shapes. */
import type { GraphSpec } from '../../../../shared/models/student-spec.js';
import type { TapShape } from '../../teachers/formats/taps.js';
import { fixGraph } from './fixed-graph.js';
import { inputsOf, onnxForward } from './onnx-forward.js';

/** More than one, so that a value without a row for each sample shows. */
const trialRows = 3;

/** Every value with a row for each sample, from the input to the output, channels last; and `logits`. */
export async function graphTapShapes(spec: GraphSpec): Promise<TapShape[]> {
  const forward = await onnxForward(spec, { isTraining: false, rows: trialRows, taps: [] });
  const { known, nodes } = await fixGraph(
    {
      operatorSets: forward.operatorSets,
      graph: {
        nodes: forward.nodes,
        constants: forward.constants,
        inputs: [],
        outputs: forward.nodes.flatMap(({ outputs }) => outputs.map((name) => ({ name }))),
      },
    },
    inputsOf(spec, trialRows),
  );
  const found = nodes.flatMap(({ outputs: [name = ''] }): TapShape[] => {
    const value = known.get(name);
    const [rows, ...shape] = value?.shape ?? [];
    if (value?.type !== 'float32' || rows !== trialRows || shape.length === 0) return [];
    const [channels = 1, ...places] = shape;
    return [{ name, shape: shape.length > 2 ? [...places, channels] : shape }];
  });
  const { positions, classes } = spec;
  return [...found, { name: 'logits', shape: [...(positions === undefined ? [] : [positions]), classes] }];
}
