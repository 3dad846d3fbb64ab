/** How long a run still takes, from the counts that its progress has. Pure. */
import type { RunProgress } from './output.js';

/**
 * Seconds until the last step, by the samples of the steps since `firstStep`, at which this coordinator started; null
 * until they can be known.
 */
export function secondsLeft(
  { step, totalSteps, samples }: Pick<RunProgress, 'step' | 'totalSteps' | 'samples'>,
  { perSecond, firstStep }: { readonly perSecond: number; readonly firstStep: number },
): number | null {
  if (perSecond <= 0 || samples === 0) return null;
  return ((totalSteps - step) * (samples / (step - firstStep))) / perSecond;
}
