/** The runs beside this one, of which the reader chooses those that are drawn with it. */
import { byId, make, setText } from './dom.js';
import type { PastRun } from './messages.js';
import { figureText, wholeText } from './texts.js';

export class PastView {
  readonly #body = byId('past-body');
  readonly #onChange: () => void;
  readonly #chosen = new Set<string>();
  #runs: readonly PastRun[] = [];

  /** @param onChange called when other runs are chosen */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** The runs that are to be drawn. */
  get chosen(): readonly PastRun[] {
    return this.#runs.filter(({ folder }) => this.#chosen.has(folder));
  }

  /** @param own the folder of the run that is shown anyway */
  show(runs: readonly PastRun[], own: string, figure: string | null): void {
    this.#runs = runs.filter(({ folder }) => folder !== own);
    this.#body.replaceChildren(...this.#runs.map((run) => this.#row(run, figure)));
    setText(byId('past-caption'), this.#runs.length === 0 ? 'No other run is in this folder.' : '');
  }

  #row({ folder, isDone, steps, value, digest }: PastRun, figure: string | null): HTMLElement {
    const box = document.createElement('input');
    box.type = 'checkbox';
    box.checked = this.#chosen.has(folder);
    box.addEventListener('change', () => {
      if (box.checked) this.#chosen.add(folder);
      else this.#chosen.delete(folder);
      this.#onChange();
    });
    return make(
      'tr',
      '',
      make('td', '', make('label', '', box, ` ${folder}`)),
      make('td', '', isDone ? 'done' : 'unfinished'),
      make('td', '', wholeText(steps)),
      make('td', '', figureText(figure, value)),
      make('td', 'digest', digest?.slice(0, 12) ?? '–'),
    );
  }
}
