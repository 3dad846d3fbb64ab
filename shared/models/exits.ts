/**
 * A model with several outputs: earlier exits, and the last of its outputs, which is its answer. Pure: topology JSON
 * in, topology JSON out.
 */
import { z } from 'zod';
import { childrenOf, modelOf, type Json, type LayerJson } from './topology.js';

const outputSchema = z.tuple([z.string()]).rest(z.unknown());

/**
 * The layers whose outputs are the model's, in its order; none of a sequential model, which has its last layer's alone.
 */
export function outputLayers({ config }: Pick<LayerJson, 'config'>): string[] {
  const given = config.output_layers;
  const one = outputSchema.safeParse(given);
  if (one.success) return [one.data[0]];
  return (
    z
      .array(outputSchema)
      .safeParse(given)
      .data?.map(([name]) => name) ?? []
  );
}

/** The same model with its last output alone, without the layers that only others need; a copy. */
export function lastOutputAlone(topology: Json): Json {
  const copy = structuredClone(topology);
  const model = modelOf(copy);
  const names = outputLayers(model);
  const last = names.at(-1);
  if (last === undefined || names.length === 1) return copy;
  const needed = ancestorsOf(last, new Map(childrenOf(model).map((layer) => [nameOf(layer), layer])));
  const config = {
    ...model.config,
    layers: childrenOf(model).filter((layer) => needed.has(nameOf(layer))),
    output_layers: z.array(z.unknown()).parse(model.config.output_layers).slice(-1),
  };
  return 'model_config' in copy ? { ...copy, model_config: { ...model, config } } : { ...copy, config };
}

/** The layer's name and those of all that it takes values from, wherever it is applied. */
function ancestorsOf(last: string, layers: ReadonlyMap<string, LayerJson>): Set<string> {
  const needed = new Set<string>();
  const open = [last];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (needed.has(name)) continue;
    needed.add(name);
    open.push(...sourcesOf(layers.get(name)?.inbound_nodes).filter((source) => layers.has(source)));
  }
  return needed;
}

/** Every name in the nodes `[[layer, node, tensor, options], ...]`, or in Keras 3's objects. */
function sourcesOf(nodes: unknown): string[] {
  if (typeof nodes === 'string') return [nodes];
  if (Array.isArray(nodes)) return nodes.flatMap(sourcesOf);
  return typeof nodes === 'object' && nodes !== null ? Object.values(nodes).flatMap(sourcesOf) : [];
}

function nameOf({ config, name }: LayerJson): string {
  return String(name ?? config.name);
}
