/** The run's state in numbers, its loss terms, and the lines that it says. */
import { byId, make, setRows, setText } from './dom.js';
import type { PageNote, PageRun, PageStatus } from './messages.js';
import { bytesText, clockText, durationText, figureText, percentText, wholeText } from './texts.js';

/** Lines that are shown. */
const mostNotes = 300;

export class RunView {
  readonly #notes = byId('notes');
  #next = 0;

  constructor() {
    const only = byId('only-warnings') as HTMLInputElement;
    only.addEventListener('change', () => this.#notes.classList.toggle('only-warnings', only.checked));
  }

  reset({ name, run, generation, folder, engines, batch }: PageRun): void {
    document.title = `${name} – Stillhouse`;
    setText(byId('name'), name);
    setText(
      byId('about'),
      `run ${run}, coordinator ${generation}, folder ${folder}; batches of ${batch.size} in micro-batches of ${batch.micro}; ${engines.join('; ')}`,
    );
    this.#notes.replaceChildren();
    this.#next = 0;
  }

  setState(state: string): void {
    const pill = byId('state');
    setText(pill, state);
    pill.className = `pill ${state}`;
  }

  showStatus(status: PageStatus): void {
    const { step, steps, epoch, epochs, secondsLeft, samples, samplesPerSecond, leases, labels, commitMs } = status;
    const bar = byId('progress') as HTMLProgressElement;
    bar.max = steps;
    bar.value = step;
    setText(
      byId('progress-text'),
      `step ${wholeText(step)} of ${wholeText(steps)}, epoch ${epoch + 1} of ${epochs}${secondsLeft === null ? '' : `, about ${durationText(secondsLeft)} left`}`,
    );
    const numbers: Record<string, string> = {
      'samples/s': wholeText(samplesPerSecond),
      samples: wholeText(samples),
      workers: String(status.workers),
      'leases granted': wholeText(leases.granted),
      'leases repeated': wholeText(leases.repeated),
      'messages refused': wholeText(leases.refused),
      'commit to disk': commitMs === null ? '–' : `${commitMs.toFixed(1)} ms`,
      log: bytesText(status.logBytes),
      memory: bytesText(status.residentBytes),
      ...(labels === null ? {} : { labels: `${wholeText(labels.kept)} of ${wholeText(labels.samples)}` }),
    };
    setNumbers(numbers);
    setRows(byId('terms-body'), termRows(status));
    setRows(
      byId('references-body'),
      status.references.map(({ name, value }) => [name, figureText(status.figure, value)]),
    );
  }

  addNotes(notes: readonly PageNote[]): void {
    for (const { number, atMs, level, text } of notes) {
      if (number < this.#next) continue;
      this.#next = number + 1;
      const time = document.createElement('time');
      time.dateTime = new Date(atMs).toISOString();
      time.textContent = clockText(atMs);
      this.#notes.prepend(make('li', level, time, ' ', text));
    }
    while (this.#notes.children.length > mostNotes) this.#notes.lastElementChild?.remove();
  }
}

function setNumbers(numbers: Readonly<Record<string, string>>): void {
  const list = byId('numbers');
  const names = Object.keys(numbers);
  if ([...list.children].map(({ className }) => className).join() !== names.join())
    list.replaceChildren(...names.map((name) => make('div', name, make('dt', '', name), make('dd'))));
  names.forEach((name, i) => {
    const value = list.children[i]?.lastElementChild;
    if (value !== null && value !== undefined) setText(value, numbers[name] ?? '');
  });
}

/** Each term with its mean, its weight, and its share of the total. */
function termRows({ terms, weights }: PageStatus): string[][] {
  const parts = Object.entries(terms).map(([name, mean]) => ({ name, mean, weight: weights[name] ?? 0 }));
  const total = parts.reduce((sum, { mean, weight }) => sum + mean * weight, 0);
  return parts.map(({ name, mean, weight }) => [
    name,
    mean.toPrecision(4),
    String(Number(weight.toPrecision(4))),
    total === 0 ? '–' : percentText((mean * weight) / total),
  ]);
}
