/** The NVIDIA GPUs that this process may use, asked of the driver. No library of CUDA's is loaded. */
import { execFileSync } from 'node:child_process';

/** A GPU as the driver names it. */
export interface Gpu {
  /** Its index on this machine. */
  readonly index: number;
  readonly uuid: string;
  readonly name: string;
}

/** All GPUs of the machine; none where there is no driver. */
export function listGpus(): Gpu[] {
  try {
    const timeout = 20_000;
    const query = ['--query-gpu=index,uuid,name', '--format=csv,noheader'];
    return parseGpus(
      execFileSync('nvidia-smi', query, { encoding: 'utf8', timeout, stdio: ['ignore', 'pipe', 'ignore'] }),
    );
  } catch {
    return []; // no driver, or one that answers no more: there is no GPU to use
  }
}

/** Lines of `index, uuid, name`. */
export function parseGpus(text: string): Gpu[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*(\d+),\s*([^,]+?),\s*(.+?)\s*$/.exec(line);
    return match === null ? [] : [{ index: Number(match[1]), uuid: match[2] ?? '', name: match[3] ?? '' }];
  });
}

/**
 * Those that `CUDA_VISIBLE_DEVICES` leaves, in its order; all where it is not set. As CUDA does, an entry that names no
 * device ends the list, and an empty value hides all.
 */
export function visibleGpus(
  all: readonly Gpu[] = listGpus(),
  visible: string | undefined = process.env.CUDA_VISIBLE_DEVICES,
): Gpu[] {
  if (visible === undefined) return [...all];
  const chosen: Gpu[] = [];
  for (const entry of visible.split(',').map((text) => text.trim())) {
    const gpu = all.find(({ index, uuid }) =>
      /^\d+$/.test(entry) ? index === Number(entry) : entry !== '' && uuid.startsWith(entry),
    );
    if (gpu === undefined) break;
    chosen.push(gpu);
  }
  return chosen;
}
