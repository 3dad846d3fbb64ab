/**
 * What a peer says, made fit to be shown: the one function between foreign text and terminal, log or journal. Pure.
 */

/** Control characters, breaks of lines and paragraphs, what turns the direction of writing, and halves of characters. */
// eslint-disable-next-line no-control-regex
const unfit = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]|\p{Cs}/gu;

/**
 * The text in one line, in which nothing moves a cursor, begins a line or turns the reading around: each such character
 * stands there by its number, as `\u001b`. Breaks of lines become spaces.
 *
 * @param longest characters of the text that are kept; more are cut off
 */
export function printable(text: string, longest = 1024): string {
  const kept = text.length > longest ? `${text.slice(0, longest)}...` : text;
  return kept
    .replace(/[\t\n\r]+/g, ' ')
    .replace(unfit, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Whether the text may be a name: `printable` leaves it as it is. */
export function isPrintable(text: string): boolean {
  return text.search(unfit) < 0;
}
