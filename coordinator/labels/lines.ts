/** What is said of a run's labels, in words. Pure. */
import { errorBound } from '../../shared/labels/precision.js';
import type { LabelBlocks } from '../../shared/labels/label-blocks.js';
import { labelSets, precisionOf, type LabelSource } from '../../shared/labels/sets.js';
import type { LabelEffect } from './audits.js';
import { senderName } from './senders.js';

/** What an audit has found, in a line. */
export function findingText(
  finding: Exclude<LabelEffect, { type: 'keep' | 'unaudited' }>,
  blocks: LabelBlocks['plan']['blocks'],
): string {
  const place = blocks[finding.unit % blocks.length];
  const samples = `samples ${place?.first ?? 0} to ${(place?.first ?? 0) + (place?.rows ?? 1) - 1}`;
  if (finding.type === 'undecided')
    return `${finding.makers.map(senderName).join(' and ')} differ on ${samples}, and there is nobody to decide; the first one's stay`;
  const { maker, thrown, kept } = finding;
  const stays =
    kept === 0
      ? ''
      : `; ${kept} that it made before its last good audit stay, with the steps that were trained on them`;
  return `${senderName(maker)} gave other labels for ${samples} than two others: its device is broken, or it lies; ${thrown} labels of it are thrown away and made anew${stays}`;
}

/** What rounding may do to the labels, in a line; none where every bit is kept. */
export function roundingLines(source: LabelSource): string[] {
  const [set] = labelSets(source);
  const precision = precisionOf(source.recipe.labels);
  return set === undefined || precision.name === 'float32' ? [] : [`labels: ${errorBound(precision, set.form)}`];
}
