/** Writes the tables of docs/losses.md from the table of losses: a row for each loss, and for each of its options. Pure. */
import { z } from 'zod';
import type { UsualWeights } from '../../shared/losses/loss.js';
import { lossTable } from '../../shared/losses/table.js';
import { cell, rowsOf, tableOf, type JsonSchema, type KeyRow } from './recipe-reference.js';

type Loss = (typeof lossTable)[number];

function lossRow({ name, compares, formula, over, tasks, usual, source }: Loss): string {
  const cells = [
    `\`${name}\``,
    compares,
    `\`${formula}\``,
    over === 'labelled' ? 'labelled' : 'all',
    tasks === undefined ? 'any' : tasks.map((task) => `\`${task}\``).join(', '),
    usual === undefined ? '' : writtenUsual(usual),
    source,
  ];
  return `| ${cells.map(cell).join(' | ')} |`;
}

function writtenUsual({ weight, crossEntropy, options = {} }: UsualWeights): string {
  const others = Object.entries(options).map(([key, value]) => `\`${key}: ${String(value)}\``);
  return `${weight} (${crossEntropy})${others.length === 0 ? '' : ` with ${others.join(', ')}`}`;
}

/** The keys of a pair and of its adapter are the same for every loss, so that they stand in a table of their own. */
const pairKeys = new Set(['pairs', 'adapter', 'batchNorm', 'activation']);

function optionRows({ name, options, temperature }: Loss): KeyRow[] {
  const shape = {
    ...Object.fromEntries(Object.entries(options).filter(([key]) => !pairKeys.has(key))),
    ...(temperature === undefined ? {} : { temperature: z.number().positive().default(temperature.default) }),
  };
  return rowsOf(z.toJSONSchema(z.object(shape), { io: 'input' }) as JsonSchema, `losses.${name}`);
}

export function lossTables(): string {
  return [
    '| term | what it compares | value of a sample | samples | `data.task` | usual weight (`crossEntropy` beside it) | source |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...lossTable.map(lossRow),
    '',
    tableOf(lossTable.flatMap(optionRows)),
  ].join('\n');
}
