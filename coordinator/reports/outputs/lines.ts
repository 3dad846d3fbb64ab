/** The texts of the outputs for people. Pure. */
import type { Paint } from '../../../shared/colors.js';
import { figureTexts, percent } from '../../../shared/figures/figures.js';
import type { MetricsLine } from '../metrics.js';
import type { ReportLevel } from './output.js';

export function levelText(level: ReportLevel, text: string, paint: Paint): string {
  return { info: text, warn: paint('yellow', 'warning: ') + text, error: paint('red', 'error: ') + text }[level];
}

export function termsText(terms: Readonly<Record<string, number>>): string {
  return (
    Object.entries(terms)
      .map(([name, mean]) => `${name} ${mean.toPrecision(4)}`)
      .join(', ') || 'no loss yet'
  );
}

/** One line of text about an epoch: its losses, the student's figures, and how fast it was. */
export function epochText(line: MetricsLine): string {
  const { epoch, loss, terms, samplesPerSecond } = line;
  const rest = [...evaluationTexts(line), ...ensembleTexts(line), ...shareTexts(line)].map((text) => `, ${text}`);
  return `epoch ${epoch + 1}: loss ${loss.toPrecision(4)} (${termsText(terms)})${rest.join('')}, ${Math.round(samplesPerSecond)} samples/s`;
}

function evaluationTexts({ eval: evaluation }: MetricsLine): string[] {
  if (evaluation === undefined) return [];
  const { exits = {}, calibrationError } = evaluation;
  const figures = figureTexts(evaluation).map((figure) => figure.join(' '));
  const early = Object.entries(exits).map(([name, share]) => `${name} ${percent(share)}`);
  return [
    ...figures.map((text, i) =>
      i === figures.length - 1 && early.length > 0 ? `${text} (earlier exits: ${early.join(', ')})` : text,
    ),
    ...(calibrationError === undefined ? [] : [`calibration error ${percent(calibrationError)}`]),
  ];
}

function ensembleTexts({ ensemble }: MetricsLine): string[] {
  if (ensemble === undefined) return [];
  const { agreement, entropy } = ensemble;
  return [`agrees with the ensemble on ${percent(agreement)} (label entropy ${entropy.toPrecision(3)})`];
}

function shareTexts({ gradientShares }: MetricsLine): string[] {
  if (gradientShares === undefined) return [];
  const shares = Object.entries(gradientShares).map(([term, share]) => `${term} ${Math.round(share * 100)} %`);
  return [`gradient shares ${shares.join(' ')}`];
}
