/** The two lines at most that a terminal shows of a run at work. Pure. */
import type { Paint } from '../../../shared/colors.js';
import { termsText } from './lines.js';
import type { RunProgress } from './output.js';

/** What is shown, with what the progress alone does not tell. */
export type ShownProgress = Omit<RunProgress, 'labels'> & {
  readonly labels: ReturnType<RunProgress['labels']>;
  readonly samplesPerSecond: number;
  /** Null until it is known. */
  readonly secondsLeft: number | null;
};

const [widest, narrowest, full, empty] = [40, 10, '█', '░'];
const between = ' | ';

/**
 * Where the run stands, and below it the newest step's loss terms. Each is narrower than the terminal, so that it takes
 * one line there; what has no room on the first is left out from its end.
 *
 * @param columns the terminal's width
 */
export function barLines(progress: ShownProgress, columns: number, paint: Paint): readonly [string, string] {
  const { step, totalSteps, terms } = progress;
  const room = Math.max(0, columns - 1);
  const parts = partsOf(progress);
  while (parts.length > 1 && parts.join(between).length + narrowest + 1 > room) parts.pop();
  const text = parts.join(between);
  const width = Math.max(0, Math.min(widest, room - text.length - 1));
  const done = Math.round((totalSteps === 0 ? 0 : step / totalSteps) * width);
  const bar = paint('cyan', full.repeat(done)) + paint('dim', empty.repeat(width - done));
  return [`${width === 0 ? '' : `${bar} `}${text.slice(0, room)}`, termsText(terms).slice(0, room)];
}

/** The most wanted first. */
function partsOf({ step, totalSteps, samplesPerSecond, secondsLeft, workers, labels }: ShownProgress): string[] {
  return [
    `${step}/${totalSteps} steps`,
    ...(secondsLeft === null ? [] : [`${durationText(secondsLeft)} left`]),
    `${Math.round(samplesPerSecond)} samples/s`,
    workers === 1 ? '1 worker' : `${workers} workers`,
    ...(labels === null || labels.kept >= labels.samples ? [] : [`${labels.kept} of ${labels.samples} labels kept`]),
    ...(labels !== null && labels.samples > 0 && labels.kept >= labels.samples ? ['all labels kept'] : []),
  ];
}

/** `42 s`, `3 min 20 s`, `5 h 10 min`. */
export function durationText(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const minutes = Math.ceil(whole / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
