/**
 * Labels that were made elsewhere (`labels.from`): rows of blocks that the coordinator has cut from the user's file.
 * They stand for the logits of an ensemble of one: softened at the temperature that a loss asks for, unless they are
 * already.
 */
import { readFile } from 'node:fs/promises';
import { exitCodes, UserError } from '../../../shared/errors.js';
import type { DataSet, FileLabelsIndex } from '../../../shared/data/manifest.js';
import { decodeBlock, type LabelBlock } from '../../../shared/labels/block.js';
import { BlockPlan } from '../../../shared/labels/block-plan.js';
import { labelKey, type Label } from '../../../shared/labels/kinds.js';
import { codecOf } from '../../../shared/labels/precision.js';
import type { RowCodec } from '../../../shared/labels/row-codec.js';
import type { FetchArtifact } from '../contract.js';
import { mix } from '../../../shared/ensemble/mixture.js';

export interface FileLabelsOptions {
  readonly index: FileLabelsIndex;
  readonly dataSet: DataSet;
  /** What the losses want: labels of the ensemble, none of a single teacher. */
  readonly wanted: readonly Label[];
  readonly fetch: FetchArtifact;
}

/** Blocks in memory, of at most 4 MiB each. */
const blocksKept = 256;

export class FileLabels {
  readonly #options: FileLabelsOptions;
  readonly #codec: RowCodec;
  readonly #plan: BlockPlan;
  readonly #blocks = new Map<number, Promise<LabelBlock>>();

  constructor(options: FileLabelsOptions) {
    this.#options = options;
    this.#codec = codecOf({ name: 'float32' }, { classes: options.index.classes, isDistribution: false });
    this.#plan = new BlockPlan(options.dataSet, this.#codec.rowBytes);
  }

  /**
   * The wanted labels by their keys, [ids x classes] each, as Labels.get gives them; the same for every view.
   *
   * @throws UserError 65 for a block that is not what the manifest says
   */
  async get(ids: Uint32Array): Promise<Map<string, Float32Array>> {
    const { index, wanted } = this.#options;
    const logits_BC = new Float32Array(ids.length * index.classes);
    for (const [i, id] of ids.entries()) {
      const block = await this.#block(this.#plan.locate(id));
      block.read(this.#plan.rowOf(id), logits_BC, i * index.classes);
    }
    return new Map(wanted.map((label) => [labelKey(label), this.#softened(label, logits_BC)]));
  }

  async close(): Promise<void> {
    // Nothing is kept here: the labels are the user's file.
  }

  #softened(label: Label, logits_BC: Float32Array): Float32Array {
    const { classes, temperature } = this.#options.index;
    return label.kind === 'mixture' && temperature === null
      ? mix('logits', [{ logits_BC, weight: 1, temperature: label.temperature }], classes)
      : logits_BC;
  }

  #block(number: number): Promise<LabelBlock> {
    const found = this.#blocks.get(number) ?? this.#load(number);
    // Put at the end: those used longest ago come first.
    this.#blocks.delete(number);
    this.#blocks.set(number, found);
    const [oldest] = this.#blocks.keys();
    if (this.#blocks.size > blocksKept && oldest !== undefined) this.#blocks.delete(oldest);
    return found;
  }

  async #load(number: number): Promise<LabelBlock> {
    const { index, fetch } = this.#options;
    const artifact = index.blocks[number];
    if (artifact === undefined) throw new RangeError(`label block ${number} of ${index.blocks.length}`);
    const { sha256 } = artifact;
    const block = decodeBlock(this.#codec, this.#plan.at(number).rows, await readFile(await fetch(sha256)));
    if (block?.isComplete === true) return block;
    throw new UserError(`label block ${number} (${sha256}) is not one of this run's`, exitCodes.data);
  }
}
