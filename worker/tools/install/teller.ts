/**
 * Tells a person what an install is doing: a line redrawn in place on a terminal, plain lines for each tenth elsewhere.
 */

export interface Teller {
  /** Shows a line. */
  say(line: string): void;
  /** Shows how much is done of what is measured in bytes. */
  progress(what: string, doneBytes: number, totalBytes: number): void;
}

export interface Screen {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** A teller that writes to the given screen, by default the standard error stream. */
export function terminalTeller(screen: Screen = process.stderr): Teller {
  let shownLine = '';
  const draw = (line: string): void => {
    if (line === shownLine) return;
    shownLine = line;
    screen.write(screen.isTTY === true ? `\r${line}\u001b[K` : `${line}\n`);
  };
  const end = (): void => {
    if (screen.isTTY === true && shownLine !== '') screen.write('\n');
    shownLine = '';
  };
  return {
    say(line) {
      end();
      screen.write(`${line}\n`);
    },
    progress(what, doneBytes, totalBytes) {
      const step = screen.isTTY === true ? 1 : 10;
      const percent = Math.floor((doneBytes / totalBytes) * (100 / step)) * step;
      draw(`  ${what} ${percent}% of ${Math.round(totalBytes / 1e6)} MB`);
      if (doneBytes >= totalBytes) end();
    },
  };
}
