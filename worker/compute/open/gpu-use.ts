/** What of a run a worker with a GPU would compute on its CPU: it is said, and refused where the GPU was demanded. */
import { exitCodes, UserError } from '../../../shared/errors.js';
import type { TeacherSpec } from '../../../shared/protocol/messages.js';
import { onnxFormat } from '../teachers/formats/onnx.js';
import type { GpuUse } from './backend-choice.js';

export interface ComputedParts {
  /** Name of the GPU that tfjs computes on; null where the CPU does. */
  readonly gpu: string | null;
  /** The engine of the run's student; null for a worker that has none. */
  readonly engine: 'tfjs' | 'onnx' | null;
  /** The teachers that this worker runs. */
  readonly teachers: readonly Pick<TeacherSpec, 'name' | 'format' | 'served'>[];
}

/** @throws UserError 79 when a part of the run would not be computed on the GPU that was demanded */
export function checkGpuUse(
  use: GpuUse,
  { warn, ...run }: ComputedParts & { readonly warn: (line: string) => void },
): void {
  if (!use.hasGpu && !use.isDemanded) return;
  for (const [reason, parts] of partsOnCpu(use, run)) {
    const names = parts.join(', ');
    if (use.isDemanded)
      throw new UserError(`a GPU was demanded, and the CPU would compute ${names}: ${reason}`, exitCodes.noGpu);
    warn(`warning: this worker has a GPU, and its CPU computes ${names}: ${reason}`);
  }
}

const withoutTensorFlow = 'TensorFlow does not compute on it here: run stillhouse backend install cuda';

/** By the reason why, in words. */
function partsOnCpu(
  { objection }: GpuUse,
  { gpu, engine, teachers }: ComputedParts,
): ReadonlyMap<string, readonly string[]> {
  const reasonFor = (isOnnx: boolean): string | null => (isOnnx ? objection : gpu === null ? withoutTensorFlow : null);
  const parts = [
    ...(engine === null ? [] : [['the student', reasonFor(engine === 'onnx')] as const]),
    ...teachers
      .filter(({ served }) => served === undefined)
      .map(({ name, format }) => [`teacher ${name}`, reasonFor(format === onnxFormat.name)] as const),
  ];
  const byReason = new Map<string, string[]>();
  for (const [part, reason] of parts)
    if (reason !== null) byReason.set(reason, [...(byReason.get(reason) ?? []), part]);
  return byReason;
}
