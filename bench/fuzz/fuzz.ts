/** Runs cases against targets. A case is known by its seed, its target and its number: the same three are the same case. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { randomStream } from '../../shared/random.js';
import { outcomeOf, type Outcome, type Target } from './target.js';
import { data, recipes } from './targets/data.js';
import { onnx, safetensors, savedModel, tfjs, topologies } from './targets/models.js';
import { artifacts, door } from './targets/peers.js';
import { frames, labels, paths } from './targets/wire.js';

export const targets: readonly Target[] = [
  ...[frames, labels, paths, door, artifacts],
  ...[recipes, data, onnx, savedModel, safetensors, topologies, tfjs],
];

export interface Fuzzing {
  readonly seed: number;
  /** The number of cases of all targets together, of which each gets its share. */
  readonly cases: number;
  /** Where targets may write. */
  readonly folder: string;
  /** Only this target, and of it only this case where one is named. */
  readonly only?: { readonly target: string; readonly number?: number } | undefined;
  /** Called before each case. */
  readonly onCase?: (target: Target, number: number) => void;
}

export interface Finding {
  readonly target: string;
  readonly number: number;
  readonly text: string;
}

/** How often cases of a target ended in each way, by the target's name. */
export type Counts = ReadonlyMap<string, Readonly<Record<Outcome, number>>>;

/** How many findings of a target end its run: more of them say nothing new. */
const enough = 20;

export async function fuzz(
  fuzzing: Fuzzing,
): Promise<{ readonly counts: Counts; readonly findings: readonly Finding[] }> {
  const { only, folder } = fuzzing;
  const chosen = targets.filter(({ name }) => only === undefined || only.target === name);
  if (chosen.length === 0)
    throw new Error(`target ${only?.target}: one of ${targets.map(({ name }) => name).join(', ')}`);
  const shares = chosen.reduce((sum, { share }) => sum + share, 0);
  const counts = new Map<string, Record<Outcome, number>>();
  const findings: Finding[] = [];
  mkdirSync(folder, { recursive: true });
  for (const target of chosen) {
    const cases = Math.ceil((fuzzing.cases * target.share) / shares);
    const own = await fuzzTarget(target, { ...fuzzing, cases, folder: join(folder, target.name) });
    counts.set(target.name, own.counts);
    findings.push(...own.findings);
  }
  return { counts, findings };
}

async function fuzzTarget(
  target: Target,
  { seed, cases, folder, only, onCase }: Fuzzing,
): Promise<{ readonly counts: Record<Outcome, number>; readonly findings: readonly Finding[] }> {
  const counts = { accepted: 0, refused: 0 };
  const findings: Finding[] = [];
  const open = await target.open(folder);
  const first = only?.number ?? 0;
  try {
    for (let number = first; number < (only?.number === undefined ? cases : first + 1); number++) {
      onCase?.(target, number);
      const outcome = await outcomeOf(open, randomStream(['fuzz', seed, target.name, number]));
      if (typeof outcome === 'string') counts[outcome]++;
      else findings.push({ target: target.name, number, text: outcome.finding });
      if (findings.length >= enough) break;
    }
  } finally {
    await open.close?.();
  }
  return { counts, findings };
}
