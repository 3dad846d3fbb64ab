/**
 * Progress on stderr: a bar on a terminal, plain lines now and then otherwise, nothing but warnings when quiet. It only
 * shows; nothing depends on it.
 */
import { Presets, SingleBar } from 'cli-progress';
import { figureTexts, percent } from '../../../shared/figures/figures.js';
import type { MetricsLine } from '../metrics.js';

export interface Progress {
  readonly step: number;
  readonly totalSteps: number;
  readonly epoch: number;
  readonly epochs: number;
  /** Samples committed since this coordinator started. */
  readonly samples: number;
  /** The newest step's loss terms, means over samples. */
  readonly terms: Readonly<Record<string, number>>;
  readonly workers: number;
}

export interface Reporter {
  say(level: 'info' | 'warn' | 'error', text: string): void;
  progress(progress: Progress): void;
  epoch(line: MetricsLine): void;
  close(): void;
}

export interface ReporterOptions {
  readonly stream: NodeJS.WriteStream;
  readonly quiet: boolean;
  readonly nowMs?: () => number;
  /** Time between plain lines. */
  readonly everyMs?: number;
}

export function createReporter(options: ReporterOptions): Reporter {
  if (options.quiet) return plainReporter({ ...options, everyMs: Infinity }, true);
  return options.stream.isTTY ? barReporter(options) : plainReporter(options, false);
}

/** Samples a second since the last figure, smoothed. */
class Rate {
  #last: { atMs: number; samples: number } | null = null;
  #perSecond = 0;

  update(nowMs: number, samples: number): number {
    const last = this.#last;
    if (last === null) this.#last = { atMs: nowMs, samples };
    else if (nowMs - last.atMs >= 500) {
      const rate = ((samples - last.samples) * 1000) / (nowMs - last.atMs);
      this.#perSecond = this.#perSecond === 0 ? rate : 0.7 * this.#perSecond + 0.3 * rate;
      this.#last = { atMs: nowMs, samples };
    }
    return this.#perSecond;
  }
}

function barReporter({ stream, nowMs = Date.now }: ReporterOptions): Reporter {
  const rate = new Rate();
  const bar = new SingleBar(
    {
      stream,
      format: '{bar} {value}/{total} steps | {rate} samples/s | {terms} | {workers} workers | {eta_formatted} left',
      etaBuffer: 50,
      hideCursor: true,
      gracefulExit: false,
      clearOnComplete: true,
      noTTYOutput: false,
    },
    Presets.shades_classic,
  );
  let isShown = false;
  const above = (text: string): void => {
    if (isShown) stream.write('\r\u001b[K');
    stream.write(`${text}\n`);
    if (isShown) bar.render();
  };
  return {
    say: (level, text) => above(spoken(level, text)),
    progress: (progress) => {
      const payload = {
        rate: Math.round(rate.update(nowMs(), progress.samples)),
        terms: termsText(progress.terms),
        workers: progress.workers,
      };
      if (!isShown) bar.start(progress.totalSteps, progress.step, payload);
      else bar.update(progress.step, payload);
      isShown = true;
    },
    epoch: (line) => above(epochText(line)),
    close: () => {
      if (isShown) bar.stop();
      isShown = false;
    },
  };
}

function plainReporter({ stream, nowMs = Date.now, everyMs = 10_000 }: ReporterOptions, isQuiet: boolean): Reporter {
  const rate = new Rate();
  let lastMs = nowMs();
  let firstStep: number | null = null;
  const write = (text: string): void => void stream.write(`${text}\n`);
  return {
    say: (level, text) => {
      if (level !== 'info' || !isQuiet) write(spoken(level, text));
    },
    progress: (progress) => {
      const perSecond = rate.update(nowMs(), progress.samples);
      firstStep ??= progress.step - 1;
      if (isQuiet || nowMs() - lastMs < everyMs) return;
      lastMs = nowMs();
      const left = secondsLeft(progress, { perSecond, firstStep });
      write(
        `step ${progress.step}/${progress.totalSteps}, ${Math.round(perSecond)} samples/s, ${termsText(progress.terms)}, ${progress.workers} workers${left}`,
      );
    },
    epoch: (line) => {
      if (!isQuiet) write(epochText(line));
    },
    close: () => undefined,
  };
}

function spoken(level: 'info' | 'warn' | 'error', text: string): string {
  return { info: text, warn: `warning: ${text}`, error: `error: ${text}` }[level];
}

/** By the samples since this coordinator started, which was at step `firstStep`. */
function secondsLeft(
  { step, totalSteps, samples }: Progress,
  { perSecond, firstStep }: { perSecond: number; firstStep: number },
): string {
  if (perSecond <= 0 || samples === 0) return '';
  return `, about ${Math.ceil(((totalSteps - step) * (samples / (step - firstStep))) / perSecond)} s left`;
}

export function termsText(terms: Readonly<Record<string, number>>): string {
  return (
    Object.entries(terms)
      .map(([name, mean]) => `${name} ${mean.toPrecision(4)}`)
      .join(', ') || 'no loss yet'
  );
}

export function epochText(line: MetricsLine): string {
  const exits = Object.entries(line.eval?.exits ?? {})
    .map(([name, share]) => `${name} ${percent(share)}`)
    .join(', ');
  const written = figureTexts(line.eval ?? {}).map((figure) => `, ${figure.join(' ')}`);
  const { calibrationError } = line.eval ?? {};
  const evaluation = `${written.join('')}${exits === '' ? '' : ` (earlier exits: ${exits})`}${calibrationError === undefined ? '' : `, calibration error ${percent(calibrationError)}`}`;
  const ensemble =
    line.ensemble === undefined
      ? ''
      : `, agrees with the ensemble on ${percent(line.ensemble.agreement)} (label entropy ${line.ensemble.entropy.toPrecision(3)})`;
  const shares =
    line.gradientShares === undefined
      ? ''
      : `, gradient shares ${Object.entries(line.gradientShares)
          .map(([term, share]) => `${term} ${Math.round(share * 100)} %`)
          .join(' ')}`;
  return `epoch ${line.epoch + 1}: loss ${line.loss.toPrecision(4)} (${termsText(line.terms)})${evaluation}${ensemble}${shares}, ${Math.round(line.samplesPerSecond)} samples/s`;
}
