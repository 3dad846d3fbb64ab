/**
 * What lies beside the inputs in files of arrays (NPY, IDX): labels, weights, targets and masks, a row for each sample.
 */
import { damaged, toLabels, toSequences, toTargets, toWeights } from './files.js';
import type { Source } from './rows.js';

export interface BesidePaths {
  readonly labels?: string | undefined;
  readonly weights?: string | undefined;
  readonly targets?: string | undefined;
  readonly mask?: string | undefined;
  readonly paddingLabel?: number | undefined;
}

export interface Numbers {
  readonly dims: readonly number[];
  readonly data: ArrayLike<number>;
}

/** @param member the array's name in an archive where the path has none */
export type ReadNumbers = (path: string, member: string) => Promise<Numbers>;

/** @throws UserError 2 for a missing file, 65 for one that does not fit the inputs */
export async function readBeside(
  paths: BesidePaths,
  { file, samples }: Pick<Source, 'file' | 'samples'>,
  read: ReadNumbers,
): Promise<Pick<Source, 'labels' | 'weights' | 'targets' | 'positions'>> {
  const optional = async (path: string | undefined, member: string): Promise<Numbers | null> =>
    path === undefined ? null : read(path, member);
  const [labels, mask, given, targets] = [
    await optional(paths.labels, 'y'),
    await optional(paths.mask, 'm'),
    await optional(paths.weights, 'w'),
    await optional(paths.targets, 't'),
  ];
  const weights = given === null ? undefined : toWeights(paths.weights ?? '', given.data, samples);
  if (targets !== null)
    return {
      ...toTargets(paths.targets ?? '', targets.data, widthOf(paths.targets ?? '', targets, samples), samples),
      weights,
    };
  if (mask !== null || (labels?.dims.length ?? 1) > 1)
    return sequences(paths, { labels, mask, samples, file, weights });
  const found = labels === null ? new Int32Array(samples).fill(-1) : toLabels(paths.labels ?? '', labels.data);
  if (found.length !== samples)
    throw damaged(paths.labels ?? '', `${found.length} labels; ${samples} were wanted, one for each sample of ${file}`);
  return { labels: found, weights };
}

/** Numbers of a target: [samples] or [samples x ...]. */
function widthOf(path: string, { dims }: Numbers, samples: number): number {
  if (dims[0] !== samples) throw damaged(path, `${dims[0] ?? 0} targets; ${samples} were wanted, one for each sample`);
  return dims.slice(1).reduce((product, dim) => product * dim, 1);
}

interface SequenceParts {
  readonly labels: Numbers | null;
  readonly mask: Numbers | null;
  readonly samples: number;
  readonly file: string;
  readonly weights?: Float32Array | undefined;
}

/** [samples x positions] each. */
function sequences(
  paths: BesidePaths,
  { labels, mask, samples, file, weights }: SequenceParts,
): Pick<Source, 'labels' | 'positions' | 'weights'> {
  const parts = [
    [paths.labels, labels, 'labels'],
    [paths.mask, mask, 'a mask'],
  ] as const;
  const positions = (labels ?? mask)?.dims[1] ?? 0;
  for (const [path = '', array, what] of parts) {
    if (array !== null && (array.dims.length !== 2 || array.dims[0] !== samples || array.dims[1] !== positions))
      throw damaged(
        path,
        `${what} of [${array.dims.join(', ')}]; [${samples}, ${positions}] was wanted, a number for each position of each sample of ${file}`,
      );
  }
  return toSequences(paths.labels ?? paths.mask ?? '', {
    labels: labels?.data ?? null,
    mask: mask?.data ?? null,
    paddingLabel: paths.paddingLabel,
    positions,
    samples,
    weights,
  });
}
