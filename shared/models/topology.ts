/**
 * Reading a tfjs LayersModel's topology as data: its layers in the order of the file, nested models and wrapped layers
 * included. Knows keys in the Keras spelling (snake_case), which both tfjs and Keras write.
 */
import { z } from 'zod';

export const jsonSchema = z.record(z.string(), z.unknown());

/** A JSON object of which nothing is known. */
export type Json = z.infer<typeof jsonSchema>;

/** A layer of a topology, and where it stands there. */
export interface TopologyLayer {
  readonly name: string;
  readonly className: string;
  readonly config: Json;
  /** Names of the models and wrappers around the layer, the outermost first, then its own. */
  readonly path: readonly string[];
  /** Whether it stands inside a TimeDistributed, Bidirectional or RNN layer. */
  readonly isWrapped: boolean;
  /** How often the model that holds it applies it, or a model around it. */
  readonly uses: number;
}

const layerSchema = z
  .object({ class_name: z.string(), config: jsonSchema, inbound_nodes: z.array(z.unknown()).optional() })
  .loose();

/** A layer, or a model, as a topology has it. */
export type LayerJson = z.infer<typeof layerSchema>;

const containers = new Set(['Sequential', 'Model', 'Functional']);

/** The model itself: `{ class_name, config }`, which Keras puts under `model_config`. */
export function modelOf(topology: Json): LayerJson {
  const inner = jsonSchema.safeParse(topology.model_config);
  return layerSchema.parse(inner.success ? inner.data : topology);
}

/** The layers of a container. */
export function childrenOf(container: LayerJson): LayerJson[] {
  return z.array(layerSchema).parse(container.config.layers);
}

/** Whether layers of this class are models that hold layers of their own. */
export function isContainer(className: string): boolean {
  return containers.has(className);
}

/** All layers but the containers, depth first, in the order of the file. @throws z.ZodError when it is no topology */
export function layersOf(topology: Json): TopologyLayer[] {
  const model = modelOf(topology);
  return childrenOf(model).flatMap((layer) => expand(layer, { path: [], isWrapped: false, uses: 1 }));
}

type Place = Pick<TopologyLayer, 'path' | 'isWrapped' | 'uses'>;

function expand(layer: LayerJson, around: Place): TopologyLayer[] {
  const { class_name: className, config } = layer;
  const name = typeof config.name === 'string' ? config.name : className;
  const place = {
    path: [...around.path, name],
    isWrapped: around.isWrapped,
    uses: around.uses * Math.max(1, layer.inbound_nodes?.length ?? 1),
  };
  if (isContainer(className)) return childrenOf(layer).flatMap((inner) => expand(inner, place));
  const own: TopologyLayer = { name, className, config, ...place };
  return [own, ...wrappedIn(config).flatMap((inner) => expand(inner, { ...place, isWrapped: true }))];
}

/** Layers and cells inside a layer's config. */
export function wrappedIn(config: Json): LayerJson[] {
  const cells: unknown[] = Array.isArray(config.cells) ? config.cells : [];
  return [config.layer, config.cell, ...cells].flatMap((inner) => {
    const parsed = layerSchema.safeParse(inner);
    return parsed.success ? [parsed.data] : [];
  });
}
