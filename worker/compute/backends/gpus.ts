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
    return parseGpus(
      execFileSync('nvidia-smi', ['-L'], { encoding: 'utf8', timeout, stdio: ['ignore', 'pipe', 'ignore'] }),
    );
  } catch {
    return []; // no driver, or one that answers no more: there is no GPU to use
  }
}

/**
 * Lines of `GPU 0: NVIDIA H200 (UUID: GPU-...)`. Below one that is split (MIG) there is a line for each part, as
 * `  MIG 1g.18gb     Device  0: (UUID: MIG-...)`: the parts are what can be used then, and not the whole.
 */
export function parseGpus(text: string): Gpu[] {
  const found: Gpu[] = [];
  for (const line of text.split('\n')) {
    const [, index, name = '', uuid = ''] = /^GPU (\d+): (.+) \(UUID: ([\w-]+)\)\s*$/.exec(line) ?? [];
    if (index !== undefined) found.push({ index: Number(index), uuid, name });
    const [, part, partUuid = ''] = /^\s+MIG (\S+)\s+Device\s+\d+: \(UUID: (MIG-[\w/-]+)\)\s*$/.exec(line) ?? [];
    const whole = found.at(-1);
    if (part === undefined || whole === undefined) continue;
    if (!whole.uuid.startsWith('MIG-')) found.pop();
    found.push({ index: whole.index, uuid: partUuid, name: `${whole.name.replace(/ MIG \S+$/, '')} MIG ${part}` });
  }
  return found;
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
