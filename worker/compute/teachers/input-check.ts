/** Whether a teacher's input can take the samples that it is fed. Pure. */

/** The bounds of the types of a byte; others hold every whole number that a float32 does, nearly. */
const bounds: Readonly<Record<string, readonly [least: number, most: number]>> = {
  int8: [-128, 127],
  uint8: [0, 255],
};

/** How far from a whole number a value may be that is meant to be one, after preprocessing in float32. */
const tolerance = 1e-3;

/**
 * What an input that takes whole numbers alone would lose of these samples, in words; null for nothing.
 *
 * @param type of the input; null where it takes any number
 * @param fed some samples as the model is given them
 */
export function inputObjection(type: string | null, fed: Float32Array): string | null {
  if (type === null || fed.length === 0) return null;
  const [low, high] = fed.reduce(
    ([least, most], value): [number, number] => [Math.min(least, value), Math.max(most, value)],
    [Infinity, -Infinity],
  );
  const isBroken = fed.some((value) => Math.abs(value - Math.round(value)) > tolerance);
  const [least, most] = bounds[type] ?? [-Infinity, Infinity];
  const isOutside = low < least - tolerance || high > most + tolerance;
  const isFlat = type in bounds && low >= -1 && high <= 1;
  if (!isBroken && !isOutside && !isFlat) return null;
  const range = `from ${shortOf(low)} to ${shortOf(high)}${isBroken ? ' with fractions' : ''}`;
  return `its input takes whole numbers (${type}), and the samples that it is fed go ${range}; what it was trained on wanted, such as the raw samples by preprocess: { scale: 1 } of its own`;
}

const shortOf = (value: number): string => String(Number(value.toPrecision(4)));
