/** tfjs GraphModel teachers: a frozen graph, in inference mode by its nature. */
import type { Tensor } from '@tensorflow/tfjs';
import { mustAt } from '../../../../shared/must.js';
import { pathTo } from '../../onnx/tensorflow/graph.js';
import { graphModelOnnx } from './graph-model-onnx.js';
import { idleOps, nodesSchema, openGraph } from './open-graph.js';
import { activationsOf } from './taps.js';
import { countParameters, digestOfTensors, findTfjsFiles, tfjsFormat, type ModelJson } from './tfjs-files.js';
import { asRows, badModel, unknownTap } from './model-errors.js';
import type { OpenTensorFlow, Teacher, TeacherFormat, TeacherSource, WantedTaps } from './teacher.js';

export const graphModelFormat: TeacherFormat = {
  ...tfjsFormat,
  name: 'graph-model',
  title: 'a tfjs GraphModel',
  findFiles: (given) => findTfjsFiles(given, 'graph-model'),
  toOnnx: graphModelOnnx,
  open: openGraphModel,
};

/** @throws UserError 65 when the files are no GraphModel, 2 when the recipe names an output that it lacks */
async function openGraphModel(source: TeacherSource, openTensorFlow: OpenTensorFlow): Promise<Teacher> {
  const tf = await openTensorFlow();
  const { model, json, inputs, output, outputNode } = await openGraph(source, tf);
  return {
    inputs,
    fixedRows: inputs.find(({ rows }) => rows !== null)?.rows ?? null,
    parameters: countParameters(json),
    async forward(fed, wanted = []) {
      const rows = fed[0]?.shape[0] ?? 0;
      const names = findTaps(source.name, json, outputNode, wanted);
      const [result, ...taps] = tf.tidy(() => {
        try {
          const tensors = inputs.map(({ node, dtype }, i): [string, Tensor] => {
            const { values, shape } = mustAt(fed, i, 'input');
            return [node, tf.tensor(values, [...shape]).cast(dtype)];
          });
          const given = model.execute(Object.fromEntries(tensors), [output, ...names]);
          return Array.isArray(given) ? given : [given];
        } catch (error) {
          throw badModel(source.name, 'tfjs cannot run it', error);
        }
      });
      try {
        if (result === undefined) throw badModel(source.name, 'it gives no tensor');
        const raw = await Promise.all(
          taps.map(async (tap, i) => ({
            name: names[i] ?? '',
            values: Float32Array.from(await tap.data()),
            dims: tap.shape,
          })),
        );
        return {
          output: asRows(source, await result.data(), result.shape, rows),
          taps: activationsOf(raw, { teacher: source.name, rows, wanted, isChannelsFirst: false }),
        };
      } finally {
        tf.dispose([result, ...taps].filter((tensor) => tensor !== undefined));
      }
    },
    weightsDigest: () => digestOfTensors(Object.values(model.weights).flat()),
    async dispose() {
      model.dispose();
    },
  };
}

/**
 * The nodes that are asked for; `all`: those that the output follows from, each after those that it follows from
 * itself.
 */
function findTaps(
  teacher: string,
  { modelTopology }: ModelJson,
  output: string,
  wanted: WantedTaps,
): readonly string[] {
  if (wanted.length === 0) return [];
  const nodes = nodesSchema.safeParse(modelTopology.node).data ?? [];
  const working = nodes.filter(({ op }) => !idleOps.has(op));
  const byName = new Map(working.map((node) => [node.name, node]));
  if (wanted === 'all') return pathTo(output, (name) => byName.get(name)?.input ?? null);
  const missing = wanted.find((name) => !byName.has(name));
  if (missing !== undefined) throw unknownTap(teacher, missing, [...byName.keys()]);
  return wanted;
}
