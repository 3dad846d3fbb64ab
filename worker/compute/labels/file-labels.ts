/**
 * Labels that were made elsewhere (`labels.from`): rows of blocks that the coordinator has cut from the user's file.
 * They stand for the logits of an ensemble of one: softened at the temperature that a loss asks for, unless they are
 * already.
 */
import { readFile } from 'node:fs/promises';
import { exitCodes, UserError } from '../../../shared/errors.js';
import type { DataSet, FileLabelsIndex } from '../../../shared/data/manifest.js';
import { decodeBlock, type LabelBlock } from '../../../shared/labels/block.js';
import { codecOf, type RowCodec } from '../../../shared/labels/precision.js';
import { BlockPlan, labelNames, type LabelKind } from '../../../shared/labels/sets.js';
import type { FetchArtifact } from '../contract.js';
import { mix } from '../teachers/mixture.js';

export class FileLabels {
  readonly #index: FileLabelsIndex;
  readonly #codec: RowCodec;
  readonly #plan: BlockPlan;
  readonly #fetch: FetchArtifact;
  readonly #blocks = new Map<number, Promise<LabelBlock>>();

  constructor(index: FileLabelsIndex, dataSet: DataSet, fetch: FetchArtifact) {
    this.#index = index;
    this.#codec = codecOf({ name: 'float32' }, { classes: index.classes, isDistribution: false });
    this.#plan = new BlockPlan(dataSet, this.#codec.rowBytes);
    this.#fetch = fetch;
  }

  /**
   * As Labels.get; the same labels for every view. @throws UserError 65 for a block that is not what the manifest says
   */
  async get(
    ids: Uint32Array,
    _batch: unknown,
    _view: number,
    kinds: readonly LabelKind[],
  ): Promise<Map<string, Float32Array>> {
    const { classes, temperature } = this.#index;
    const logits_BC = new Float32Array(ids.length * classes);
    for (const [i, id] of ids.entries()) {
      const number = this.#plan.locate(id);
      (await this.#block(number)).read(id - (this.#plan.blocks[number]?.first ?? 0), logits_BC, i * classes);
    }
    const soften = (name: string): Float32Array =>
      name === 'logits' || temperature !== null
        ? logits_BC
        : mix('logits', [{ logits_BC, weight: 1, temperature: Number(name.slice(2)) }], classes);
    return new Map(labelNames(kinds, []).map((name) => [name, soften(name)]));
  }

  async close(): Promise<void> {
    // Blocks are read whole: nothing is open.
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
    const sha256 = this.#index.blocks[number]?.sha256 ?? '';
    const block = decodeBlock(
      this.#codec,
      this.#plan.blocks[number]?.rows ?? 0,
      await readFile(await this.#fetch(sha256)),
    );
    if (block?.isComplete === true) return block;
    throw new UserError(`label block ${number} (${sha256}) is not one of this run's`, exitCodes.data);
  }
}

/** Of at most 4 MiB each. */
const blocksKept = 256;
