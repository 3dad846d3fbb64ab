/**
 * A student's layers as a graph whose weights are inputs, so that they can change from step to step: for training, with
 * batch norm by the micro-batch's own moments and with dropout, or for inference.
 */
import type { NamedTensor } from '../../../../shared/models/safetensors.js';
import type { WeightSpec } from '../../../../shared/models/student-spec.js';
import type { LayerJson } from '../../../../shared/models/topology.js';
import { must } from '../../../../shared/must.js';
import { elementsIn } from '../../../../shared/shape.js';
import type { Moments } from './forward.js';
import { byBatchMoments, noMoments } from './gradient/batch-moments.js';
import { nameOf, numberOr, OnnxBuilder, type Turning } from '../../onnx/layers/builder.js';

/** Writes a student's layers as a graph whose weights are inputs. */
export class LiveBuilder extends OnnxBuilder {
  /** By the layer's name in its weights' names; empty in inference. */
  readonly moments = new Map<string, Moments>();
  readonly #specs: ReadonlyMap<string, WeightSpec>;
  readonly #isTraining: boolean;

  constructor(specs: readonly WeightSpec[], { isTraining }: { readonly isTraining: boolean }) {
    // Layers ask for shapes alone: no values are wanted of a weight that is an input.
    const none = new Float32Array(0);
    super(new Map(specs.map(({ name, shape }): [string, NamedTensor] => [name, { shape, values: none }])));
    this.#specs = new Map(specs.map((spec) => [spec.name, spec]));
    this.#isTraining = isTraining;
  }

  override weightConstant(layer: LayerJson, name: string): string {
    this.weight(layer, name);
    return `${nameOf(layer)}/${name}`;
  }

  override turnedWeight(layer: LayerJson, name: string, { perm, shape }: Turning): string {
    const given = this.weight(layer, name);
    const own = this.weightConstant(layer, name);
    const turned = perm === undefined ? own : this.node('Transpose', [own], { perm });
    const turnedShape = perm === undefined ? given.shape : perm.map((axis) => given.shape[axis] ?? 1);
    return turnedShape.length === shape.length && turnedShape.every((dim, axis) => dim === shape[axis])
      ? turned
      : this.node('Reshape', [turned, this.integers(...shape)]);
  }

  /** Channels, the last axis, come second inside. A frozen layer goes by its moving values always, as in Keras. */
  override batchNorm(layer: LayerJson, x: string): string {
    const { config } = layer;
    const rank = must(this.ranks, x, 'rank');
    const inner = Array.from({ length: rank - 2 }, (_, i) => i + 1);
    const there = rank === 2 ? x : this.node('Transpose', [x], { perm: [0, rank - 1, ...inner] });
    const { shape } = this.weight(layer, 'moving_mean');
    const ones = (): string => this.constant(new Float32Array(elementsIn(shape)).fill(1), shape);
    const zeros = (): string => this.constant(new Float32Array(elementsIn(shape)), shape);
    const inputs = [
      there,
      config.scale === false ? ones() : this.weightConstant(layer, 'gamma'),
      config.center === false ? zeros() : this.weightConstant(layer, 'beta'),
      this.weightConstant(layer, 'moving_mean'),
      this.weightConstant(layer, 'moving_variance'),
    ];
    const epsilon = { float: numberOr(config.epsilon, 1e-3) };
    const moving = must(this.#specs, `${nameOf(layer)}/moving_mean`, 'weight');
    const y =
      this.#isTraining && moving.kind === 'mean'
        ? this.#byOwnMoments(moving.layer, inputs, epsilon)
        : this.node('BatchNormalization', inputs, { epsilon });
    const back = [0, ...inner.map((axis) => axis + 1), 1];
    return rank === 2 ? y : this.node('Transpose', [y], { perm: back });
  }

  #byOwnMoments(layer: string, inputs: readonly string[], epsilon: { readonly float: number }): string {
    const y = `bn${this.nodes.length}`;
    const moments = { mean: `${y}.mean`, variance: `${y}.variance` };
    if (this.moments.size === 0) this.constants.push(noMoments);
    this.moments.set(layer, moments);
    const outputs = [y, moments.mean, moments.variance];
    this.nodes.push(...byBatchMoments({ op: 'BatchNormalization', inputs, outputs, attributes: { epsilon } }));
    return y;
  }

  /** A node that is named by where it stands; dropout.ts puts a mask in its place. */
  override dropout(layer: LayerJson, x: string, path: readonly string[]): string {
    if (!this.#isTraining) return x;
    const output = `drop${this.nodes.length}`;
    this.nodes.push({
      op: 'Dropout',
      name: path.join('/'),
      inputs: [x, this.scalar(numberOr(layer.config.rate, 0))],
      outputs: [output],
      attributes: {},
    });
    return output;
  }
}
