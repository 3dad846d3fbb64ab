/** The open unit as a strip of its micro-batches: which blocks are leased, on their way, in, or free. */
import type { PageStatus } from './messages.js';
import { byId, make, setText } from './dom.js';
import { pieces, type DrawnUnit, type Piece } from './pieces.js';

export class TreeView {
  readonly #strip = byId('tree');
  readonly #caption = byId('tree-caption');
  #shown = '';

  show(unit: PageStatus['unit']): void {
    const key = JSON.stringify(unit);
    if (key === this.#shown) return;
    this.#shown = key;
    setText(this.#caption, unit === null ? 'No step is open.' : captionOf(unit));
    this.#strip.replaceChildren(...(unit === null ? [] : pieces(unit).map((piece) => cellOf(piece))));
  }
}

function captionOf({ name, microBatches, blocks }: DrawnUnit): string {
  const covered = (state: DrawnUnit['blocks'][number]['state']): number =>
    blocks.filter((block) => block.state === state).reduce((sum, { from, to }) => sum + to - from, 0);
  const [computing, uploading, accepted] = [covered('computing'), covered('uploading'), covered('accepted')];
  return `${name}, ${microBatches} micro-batches: ${accepted} in, ${uploading} on their way, ${computing} computing`;
}

function cellOf({ from, to, state, workers }: Piece): HTMLElement {
  const cell = make('span', `block ${state}`, workers.join(' '));
  cell.style.flexGrow = String(to - from);
  const range = to - from === 1 ? `micro-batch ${from}` : `micro-batches ${from} to ${to - 1}`;
  cell.title = `${range}: ${state}${workers.length === 0 ? '' : `, ${workers.join(', ')}`}`;
  return cell;
}
