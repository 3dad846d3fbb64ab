/** The kind of this machine's processor, as far as libraries choose other kernels by it, with other bits. */
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** Widest first: of x86-64, what onnxruntime's kernels for float32 ask for. */
const instructionSets: readonly (readonly [flag: string, title: string])[] = [
  ['avx512f', 'AVX-512'],
  ['fma', 'AVX2'],
  ['avx', 'AVX'],
];

/** Such as `x64 with AVX-512`; where the instruction sets are not to be had, with the processor's name. */
export function processorKind(
  flags: ReadonlySet<string> | null = flagsOf(readOrEmpty('/proc/cpuinfo')),
  { arch, model }: { readonly arch: string; readonly model: string } = {
    arch: process.arch,
    model: cpus()[0]?.model ?? 'unknown',
  },
): string {
  if (arch !== 'x64' || flags === null) return `${arch}, ${model}`;
  const widest = instructionSets.find(([flag]) => flags.has(flag));
  return widest === undefined ? arch : `${arch} with ${widest[1]}`;
}

/** What Linux tells of the first processor; null where it tells nothing. */
export function flagsOf(cpuinfo: string): ReadonlySet<string> | null {
  const line = /^flags\s*:(.*)$/m.exec(cpuinfo)?.[1];
  return line === undefined ? null : new Set(line.trim().split(/\s+/));
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // no Linux
  }
}
