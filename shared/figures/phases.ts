/**
 * The phases that a worker's time on a lease is counted by: weights are loaded, labels made, the student computed, gradients
 * added, others waited for; and the optimizer, which runs beside them.
 */
export const phases = ['load', 'labels', 'student', 'reduce', 'wait', 'optimizer'] as const;
export type Phase = (typeof phases)[number];
