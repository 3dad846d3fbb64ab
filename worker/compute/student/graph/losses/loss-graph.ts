/**
 * The total loss of a micro-batch as part of a student's graph: for each term its rows' values, and for each value that
 * the student gives the gradient of the sum of weight x term / divisor, as worker/compute/losses/total.ts takes it.
 * What changes from step to step is given: weights and divisors as a scale for each row, temperatures, targets. Pure.
 *
 * All of it is computed in float64, as in JavaScript; the gradients are float32 again. Legend: R rows of the losses
 * (samples, or the positions of sequences), C classes.
 */
import type { LossTarget, OutputTerm, PairTerm, TapPair } from '../../../../../shared/losses/term.js';
import { must } from '../../../../../shared/must.js';
import type { KnownValue, OnnxConstant, OnnxNode } from '../../../onnx/graph.js';
import { GraphWriter } from '../gradient/writer.js';
import { Doubles } from './doubles.js';
import type { LabelForm, MapShape, OutputForm, PairForm } from './form.js';
import type { FormedTerm } from './forms.js';

/** What a student gives to the losses, by names of its graph. */
export interface StudentValues {
  readonly answer: LossValue;
  readonly exits: readonly LossValue[];
  /** In the order of the pairs: each pair's tap behind its adapter. */
  readonly pairs: readonly { readonly pair: TapPair; readonly value: LossValue }[];
  /** The student's own later taps by name. */
  readonly later: ReadonlyMap<string, LossValue>;
}

export interface LossValue {
  readonly name: string;
  readonly shape: readonly number[];
}

export interface LossShapes {
  /** R. */
  readonly rows: number;
  /** How many of a value's first axes are R: 1, or 2 where sequences have positions. */
  readonly lead: number;
  readonly classes: number;
  /** Of each teacher's tap, by `TEACHER/TAP`, what it has for one row. */
  readonly taps: ReadonlyMap<string, readonly number[]>;
}

/** A term in the graph: the inputs by which it is given what it needs, and the output that its values come by. */
export interface GraphTerm {
  readonly name: string;
  /** [R x 1]: weight / divisor x the row's weight; the row's weight is left out where `labels` has it. */
  readonly scale: string;
  readonly labels: LabelForm;
  /** A scalar; null for a term without a temperature. */
  readonly temperature: string | null;
  /** [R x 1]; null where it compares nothing, for want of exits or pairs. */
  readonly values: string | null;
}

export interface LossGraph {
  readonly nodes: readonly OnnxNode[];
  readonly constants: readonly OnnxConstant[];
  readonly inputs: ReadonlyMap<string, KnownValue>;
  /** By what the student gives, the name of the loss's gradient with respect to it. */
  readonly seeds: ReadonlyMap<string, string>;
  readonly terms: readonly GraphTerm[];
}

/** Names of the inputs that hold what terms compare with. */
export const lossInputs = {
  labels: (form: Exclude<LabelForm, 'none'>): string => `loss labels ${form}`,
  /** Of a mixture for each term, since temperatures differ. */
  target: (target: LossTarget, term: string): string => `loss target ${target === 'mixture' ? term : target}`,
  tap: (path: string): string => `loss tap ${path}`,
};

export function lossGraph(terms: readonly FormedTerm[], values: StudentValues, shapes: LossShapes): LossGraph {
  const writer = new LossWriter(values, shapes);
  const written = terms.map((formed) => writer.term(formed));
  return writer.finished(written);
}

class LossWriter {
  readonly #write = new GraphWriter('loss.');
  readonly #math = new Doubles(this.#write);
  readonly #inputs = new Map<string, KnownValue>();
  /** By the name of a float32 value, the same in float64, as rows. */
  readonly #doubles = new Map<string, string>();
  /** By what the student gives, the parts of the gradient in the order of the terms. */
  readonly #parts = new Map<string, { readonly value: LossValue; readonly parts: string[] }>();

  constructor(
    readonly values: StudentValues,
    readonly shapes: LossShapes,
  ) {}

  term({ term, form }: FormedTerm): GraphTerm {
    const scale = this.#input(`loss scale ${term.name}`, 'float64', [this.shapes.rows, 1]);
    const own = { name: term.name, scale, labels: form.on === 'outputs' ? form.labels : ('none' as const) };
    if (term.on === 'pairs' && form.on === 'pairs')
      return { ...own, temperature: null, values: this.#together(this.#onPairs(term, form, scale)) };
    if ((term.on === 'answer' || term.on === 'exits') && form.on === 'outputs') {
      const temperature = this.#input(`loss temperature ${term.name}`, 'float64', []);
      return { ...own, temperature, values: this.#together(this.#onOutputs(term, form, { scale, temperature })) };
    }
    throw new Error(`the term ${term.name} is on ${term.on}, its form on ${form.on}`);
  }

  finished(terms: readonly GraphTerm[]): LossGraph {
    const seeds = [...this.#parts].map(([name, { value, parts }]) => {
      const sum = parts.reduce((total, part) => this.#math.add(total, part));
      return [name, this.#math.toFloats(this.#math.reshape(sum, value.shape))] as const;
    });
    const { nodes, constants } = this.#write;
    const taken = new Set(nodes.flatMap(({ inputs }) => inputs));
    return {
      nodes,
      constants,
      inputs: new Map([...this.#inputs].filter(([name]) => taken.has(name))),
      seeds: new Map(seeds),
      terms,
    };
  }

  #onOutputs(
    term: OutputTerm,
    form: OutputForm,
    { scale, temperature }: { readonly scale: string; readonly temperature: string },
  ): string[] {
    const { rows, classes } = this.shapes;
    const target = this.#target(term, temperature);
    const labels =
      form.labels === 'none' ? '' : this.#input(lossInputs.labels(form.labels), 'float64', [rows, classes]);
    return (term.on === 'answer' ? [this.values.answer] : this.values.exits).map((value) => {
      const z = this.#rows(value, [rows, classes]);
      const { values, slopes } = form.write({ math: this.#math, z, target, labels, temperature, rows, classes });
      this.#addGradient(value, this.#math.multiply(slopes, scale));
      return values;
    });
  }

  /** What the term compares an output with, in float64; empty where that is the labels alone. */
  #target({ target, name }: OutputTerm, temperature: string): string {
    const { rows, classes } = this.shapes;
    if (target === 'labels') return '';
    if (target === 'lastExit')
      return this.#math.logSoftmax(this.#math.divide(this.#rows(this.values.answer, [rows, classes]), temperature));
    const input = this.#input(lossInputs.target(target, name), 'float32', [rows, classes]);
    return this.#rows({ name: input, shape: [rows, classes] }, [rows, classes]);
  }

  #onPairs(term: PairTerm, form: PairForm, scale: string): string[] {
    const { rows } = this.shapes;
    const perRow = this.#math.reshape(scale, [rows, 1, 1, 1]);
    return this.values.pairs
      .filter(({ pair }) => pair.term === term.name)
      .map(({ pair, value }) => {
        const studentSize = this.#sizeOf(value);
        const [teacher, teacherSize] = this.#teacherOf(pair);
        const student = this.#map(value, studentSize);
        const { values, slopes } = form.write({
          math: this.#math,
          student,
          teacher,
          rows,
          studentSize,
          teacherSize,
        });
        this.#addGradient(value, this.#math.multiply(slopes, perRow));
        return values;
      });
  }

  #teacherOf({ teacher, to }: TapPair): readonly [string, MapShape] {
    if (teacher === null) {
      const value = must(this.values.later, to, 'later tap');
      const size = this.#sizeOf(value);
      return [this.#map(value, size), size];
    }
    const shape = must(this.shapes.taps, teacher, "teacher's tap");
    const size = mapShape(shape);
    const name = this.#input(lossInputs.tap(teacher), 'float32', [this.shapes.rows, ...shape]);
    return [this.#map({ name, shape: [this.shapes.rows, ...shape] }, size), size];
  }

  /** A row of the value as a map. */
  #sizeOf({ shape }: LossValue): MapShape {
    return mapShape(shape.slice(this.shapes.lead));
  }

  #map(value: LossValue, { height, width, channels }: MapShape): string {
    return this.#rows(value, [this.shapes.rows, height, width, channels]);
  }

  /** A float32 value in float64, in a shape of rows. */
  #rows({ name }: LossValue, shape: readonly number[]): string {
    const key = `${name} ${shape.join()}`;
    const found = this.#doubles.get(key);
    if (found !== undefined) return found;
    const made = this.#math.reshape(this.#math.from(name), shape);
    this.#doubles.set(key, made);
    return made;
  }

  #addGradient(value: LossValue, part: string): void {
    const found = this.#parts.get(value.name) ?? { value, parts: [] };
    found.parts.push(part);
    this.#parts.set(value.name, found);
  }

  /** The sum of a term's parts; null without any. */
  #together(parts: readonly string[]): string | null {
    return parts.length === 0 ? null : parts.reduce((sum, part) => this.#math.add(sum, part));
  }

  #input(name: string, type: 'float32' | 'float64', shape: readonly number[]): string {
    this.#inputs.set(name, { type, shape });
    return name;
  }
}

/** [H, W, C] as it is, [T, F] with width 1, [D] as a single cell: as shared/losses/math/maps.ts has it. */
function mapShape(shape: readonly number[]): MapShape {
  const [height = 1, width = 1, channels = 1] =
    shape.length === 1 ? [1, 1, ...shape] : shape.length === 2 ? [shape[0] ?? 1, 1, shape[1] ?? 1] : shape;
  return { height, width, channels };
}
