/**
 * Colours of lines for people: on a terminal, unless NO_COLOR is set (no-color.org) or the terminal is a dumb one;
 * elsewhere where FORCE_COLOR is set to anything but 0 or false, which goes before all else. Pure.
 */

const codes = { red: 31, yellow: 33, cyan: 36, dim: 2 } as const;

export type Color = keyof typeof codes;

/** Puts a text into a colour, or leaves it as it is. */
export type Paint = (color: Color, text: string) => string;

/** @param environment its NO_COLOR, FORCE_COLOR and TERM */
export function hasColors(isTerminal: boolean, environment: Readonly<Record<string, string | undefined>>): boolean {
  const { FORCE_COLOR: forced, NO_COLOR: none = '', TERM: terminal } = environment;
  if (forced !== undefined) return forced !== '0' && forced !== 'false';
  return isTerminal && none === '' && terminal !== 'dumb';
}

export function paintFor(isColored: boolean): Paint {
  return (color, text) => (isColored && text !== '' ? `\u001b[${codes[color]}m${text}\u001b[0m` : text);
}
