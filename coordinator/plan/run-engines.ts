/** What computes a run's models, as its preparation chose it, and how that is said. Pure. */
import { z } from 'zod';

export const runEnginesSchema = z.object({
  /** `onnx`: compiled graphs in onnxruntime; `tfjs`: TensorFlow.js, operation by operation. */
  student: z.enum(['onnx', 'tfjs']),
  /** Why the student is not compiled; absent where it is. */
  reason: z.string().optional(),
  /** By teacher that onnxruntime does not compute although the recipe leaves it the choice: why. */
  teachers: z.record(z.string(), z.string()).optional(),
});
export type RunEngines = z.infer<typeof runEnginesSchema>;

/** Says what computes the student, in one line. */
export function describeStudentEngine({ reason }: RunEngines): string {
  return reason === undefined
    ? 'student: compiled, computed as ONNX graphs by onnxruntime'
    : `student: not compiled, computed by TensorFlow.js: ${reason}`;
}

/** The same, and a line for each teacher that onnxruntime does not compute. */
export function describeEngines(engines: RunEngines): string[] {
  return [
    describeStudentEngine(engines),
    ...Object.entries(engines.teachers ?? {}).map(([name, why]) => `teacher ${name}: not in ONNX Runtime: ${why}`),
  ];
}
