/**
 * What a teacher's model is given of samples. Samples come as the data has them, channels last and preprocessed for the
 * student; each of the model's inputs gets its part of them, with the teacher's own preprocessing, at its resolution,
 * with its channels, in its layout. A sample may consist of named parts (columns); which of them go into which input is
 * told by their places in it. Made for one forward at a time, so that no more images are held at the teacher's
 * resolution than it takes at once. Pure.
 */
import type { FedInput } from '../../../shared/models/fed-input.js';
import { mustAt } from '../../../shared/must.js';
import type { TeacherSpec } from '../../../shared/protocol/messages.js';
import { elementsIn } from '../../../shared/shape.js';
import { changeChannels } from './channels.js';
import { feedShape, toChannelsFirst } from './formats/layout.js';
import type { InputValues, ModelInput } from './formats/teacher.js';
import { rescale } from './preprocess.js';
import { resizeImages } from './resize.js';

/** The part of a teacher's description that says what its model is given. */
export type FeedForm = Pick<TeacherSpec, 'layout' | 'rescale' | 'channels' | 'resize' | 'inputs'>;

/** An input, and the shape that it takes of one sample. */
interface Place {
  readonly input: ModelInput;
  /** Channels last. */
  readonly shape: readonly number[];
  /** In the model's layout. */
  readonly fed: readonly number[];
}

/** How far from a whole number a token may be that was preprocessed and had back. */
const tolerance = 1e-3;

export class TeacherFeed {
  /** One sample as the data has it, channels last. */
  readonly sampleShape: readonly number[];
  readonly #form: FeedForm;
  readonly #places: readonly Place[];

  private constructor(sampleShape: readonly number[], form: FeedForm, places: readonly Place[]) {
    [this.sampleShape, this.#form, this.#places] = [sampleShape, form, places];
  }

  /**
   * @param sampleShape one sample as the data has it, channels last
   * @param inputs all of the model's
   * @returns null where they do not take what the form makes of a sample
   */
  static of(form: FeedForm, sampleShape: readonly number[], inputs: readonly ModelInput[]): TeacherFeed | null {
    const shapes = form.inputs?.map(({ shape }) => shape) ?? [imageShape(form, sampleShape)];
    if (shapes.length !== inputs.length) return null;
    const places: Place[] = [];
    for (const [i, input] of inputs.entries()) {
      const shape = mustAt(shapes, i, 'input');
      const fed = feedShape(input.shape, shape, form.layout);
      if (fed === null) return null;
      places.push({ input, shape, fed });
    }
    return new TeacherFeed(sampleShape, form, places);
  }

  /** Whether all of its inputs take whole numbers alone, such as tokens. */
  get isWhole(): boolean {
    return this.#places.every(({ input }) => input.integerType !== null);
  }

  /** Numbers that the model is given of one sample, by all inputs together. */
  get size(): number {
    return this.#places.reduce((sum, { fed }) => sum + elementsIn(fed), 0);
  }

  /** What each input is given of these samples, in their order; `samples`, [rows x sample], stay as they are. */
  of(samples: Float32Array, rows: number): InputValues[] {
    const { rescale: own, inputs } = this.#form;
    if (inputs === undefined) {
      const place = mustAt(this.#places, 0, 'input');
      return [this.#laidOut(this.#image(samples), place, rows)];
    }
    const exact = own === undefined ? samples : rescale(samples, own);
    return this.#places.map((place, i) => this.#laidOut(partOf(exact, rows, mustAt(inputs, i, 'input')), place, rows));
  }

  /** What each input is given of so many samples of zeros. */
  ofZeros(rows: number): InputValues[] {
    return this.of(new Float32Array(rows * elementsIn(this.sampleShape)), rows);
  }

  /** The whole sample, with the teacher's own preprocessing, channels and size. */
  #image(samples: Float32Array): Float32Array {
    const { rescale: own, channels, resize } = this.#form;
    const { sampleShape } = this;
    const from = sampleShape.at(-1) ?? 1;
    const isNarrowed = channels !== undefined && channels < from;
    const [height = 1, width = 1] = sampleShape;
    // Means and deviations are those of the more channels of the two.
    let pixels = isNarrowed && own !== undefined ? rescale(samples, own) : samples;
    if (isNarrowed) pixels = changeChannels(pixels, from, channels);
    if (resize !== undefined) pixels = resizeImages(pixels, [height, width, isNarrowed ? channels : from], resize);
    if (channels !== undefined && !isNarrowed) pixels = changeChannels(pixels, from, channels);
    return isNarrowed || own === undefined ? pixels : rescale(pixels, own);
  }

  /**
   * In the model's layout. What goes into an input of whole numbers and was computed is rounded to the nearest of them,
   * since preprocessing that is undone in float32 gives 56.99999 for 57.
   */
  #laidOut(values: Float32Array, { input, shape, fed }: Place, rows: number): InputValues {
    const { layout, rescale: own, channels, resize } = this.#form;
    const isComputed = own !== undefined || channels !== undefined || resize !== undefined;
    const given = isComputed && input.integerType !== null ? values.map(Math.round) : values;
    return {
      values: layout === 'nchw' ? toChannelsFirst(given, shape) : given,
      shape: [rows, ...fed],
    };
  }
}

/** The shape of a sample at the teacher's resolution and with its channels. */
export function imageShape(
  { channels, resize }: Pick<FeedForm, 'channels' | 'resize'>,
  sampleShape: readonly number[],
): readonly number[] {
  const [height = 1, width = 1, own = 1] = sampleShape;
  if (channels === undefined && resize === undefined) return sampleShape;
  return [...(resize?.to ?? [height, width]), channels ?? own];
}

/** [rows x part]: elements of the samples, a mask of them, or one number for all. */
function partOf(samples: Float32Array, rows: number, { shape, from }: FedInput): Float32Array {
  const size = elementsIn(shape);
  const out = new Float32Array(rows * size);
  if ('fill' in from) return out.fill(from.fill);
  const sampleSize = samples.length / rows;
  for (let row = 0; row < rows; row++) {
    let to = row * size;
    for (const [at, length] of from.elements) {
      out.set(samples.subarray(row * sampleSize + at, row * sampleSize + at + length), to);
      to += length;
    }
  }
  const { padding } = from;
  return padding === undefined ? out : out.map((value) => (Math.abs(value - padding) > tolerance ? 1 : 0));
}
