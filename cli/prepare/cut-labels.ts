/** Cuts a file of labels into blocks, each a file named by its SHA-256, which workers fetch as they fetch shards. */
import { counted } from '../../shared/counted.js';
import { mkdir } from 'node:fs/promises';
import { UserError } from '../../shared/errors.js';
import type { FileLabelsIndex } from '../../shared/data/manifest.js';
import { taskOf } from '../../shared/task.js';
import { LabelBlock } from '../../shared/labels/block.js';
import { checkLabelFile, type LabelsAtHand } from './label-check.js';
import { readLabelFile, type LabelFile } from './label-file.js';
import { codecOf } from '../../shared/labels/precision.js';
import { BlockPlan } from '../../shared/labels/block-plan.js';
import { labelKinds } from '../../shared/labels/kinds.js';
import { sha256Of } from '../../shared/sha256.js';
import { writeContent } from './content-files.js';

/** What a file of labels must fit. */
export interface LabelFit extends LabelsAtHand {
  /** Gets a line for each thing that is odd. */
  readonly warn: (line: string) => void;
}

/**
 * Reads the file of labels at `path`, checks that it fits the recipe and the data, and writes its blocks to `out`.
 * @returns the index of the blocks, for the manifest
 * @throws UserError 2 when it does not fit the recipe, 65 when it is damaged or of other samples, 69 when the disk takes no more
 */
export async function cutLabelFile(path: string, out: string, fits: LabelFit): Promise<FileLabelsIndex> {
  const { train, classes } = fits;
  const file = await readLabelFile(path);
  const objection = objectionTo(file, fits);
  if (objection !== null) throw new UserError(`labels.from: ${path}: ${objection}`);
  checkLabelFile(file, fits).forEach((line) => fits.warn(line));
  const codec = codecOf({ name: 'float32' }, { classes, isDistribution: false });
  await mkdir(out, { recursive: true });
  const blocks: { sha256: string; bytes: number }[] = [];
  for (const { first, rows } of new BlockPlan(train, codec.rowBytes).blocks) {
    const block = new LabelBlock(codec, rows);
    for (let row = 0; row < rows; row++) block.add(row, file.logits, (first + row) * classes);
    const sha256 = sha256Of(block.bytes);
    await writeContent(out, sha256, block.bytes);
    blocks.push({ sha256, bytes: block.bytes.length });
  }
  return { classes, temperature: file.temperature, blocks };
}

/** Says why the labels do not fit; null where they do. */
function objectionTo(file: LabelFile, { recipe, train: { samples }, classes }: LabelFit): string | null {
  if (file.classes !== classes) return `${counted(file.classes, 'class')}; ${classes} wanted, as in the data`;
  const isCut = recipe.data.train.limit !== undefined && file.samples > samples;
  if (file.samples !== samples && !isCut)
    return `labels of ${counted(file.samples, 'sample')}; ${samples} wanted, one for each training sample in the file's order`;
  const task = taskOf(recipe);
  if (task !== 'classes' && file.form === 'probabilities')
    return `probabilities of classes; an array logits wanted, with data.task ${task}`;
  const kinds = labelKinds(recipe);
  if (kinds.some(({ kind }) => kind === 'teachers'))
    return 'a loss wants the logits of each teacher; teachers wanted instead';
  const other = kinds.find(
    (kind) => file.temperature !== null && (kind.kind !== 'mixture' || kind.temperature !== file.temperature),
  );
  return other === undefined
    ? null
    : `its labels are softened at temperature ${file.temperature}; a loss wants them ${other.kind === 'mixture' ? `at ${other.temperature}` : 'raw'}`;
}
