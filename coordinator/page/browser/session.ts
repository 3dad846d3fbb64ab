/**
 * The page's link to its coordinator: the token, which lives in this tab alone and travels in a header, and the stream,
 * which is opened again when it breaks.
 */
import { EventText, type PageEvent } from './events.js';
import type { PastRun } from './messages.js';

/** `refused`: a token is wanted; `over`: the run has ended, and nothing more comes. */
export type LinkState = 'connecting' | 'open' | 'lost' | 'refused' | 'over';

export interface SessionListener {
  readonly onEvent: (event: PageEvent) => void;
  readonly onState: (state: LinkState, text: string) => void;
}

const key = 'stillhouse-token';
const longestWaitMs = 10_000;
/** A stream without an event for so long is broken: there is one each second. */
const silenceMs = 15_000;

export class Session {
  readonly #listener: SessionListener;
  #token = '';
  /** Ends the link that is open, or its wait. */
  #abort = new AbortController();
  #failures = 0;

  constructor(listener: SessionListener) {
    this.#listener = listener;
    this.#token = readToken();
    this.#takeFragment();
    addEventListener('hashchange', () => {
      if (this.#takeFragment()) this.restart();
    });
  }

  /** Goes on with this token. */
  useToken(token: string): void {
    this.#token = sendable(token);
    keepToken(this.#token);
    this.restart();
  }

  /** Opens the link anew. */
  restart(): void {
    this.#abort.abort();
    this.#abort = new AbortController();
    this.#failures = 0;
    void this.#run(this.#abort.signal);
  }

  /** The runs beside this one; null where the coordinator gives none. */
  async runs(): Promise<readonly PastRun[] | null> {
    try {
      const response = await fetch('/runs', { headers: this.#headers(), cache: 'no-store' });
      return response.ok ? ((await response.json()) as readonly PastRun[]) : null;
    } catch {
      return null; // The stream says that the coordinator cannot be reached.
    }
  }

  /** A token behind the address goes no further than this tab, and no longer stands there. */
  #takeFragment(): boolean {
    const token = new URLSearchParams(location.hash.slice(1)).get('token');
    if (token === null) return false;
    this.#token = sendable(token);
    keepToken(this.#token);
    history.replaceState(null, '', location.pathname);
    return true;
  }

  #headers(): Record<string, string> {
    return this.#token === '' ? {} : { authorization: `Bearer ${this.#token}` };
  }

  async #run(signal: AbortSignal): Promise<void> {
    const isOver = (): boolean => signal.aborted;
    while (!isOver()) {
      const { state, text } = await this.#connect(signal);
      if (isOver()) return;
      this.#listener.onState(state, text);
      if (state === 'refused' || state === 'over') return;
      await sleep(Math.min(longestWaitMs, 1000 * 2 ** this.#failures++), signal);
    }
  }

  /** One connection, to its end. @returns what it ended with */
  async #connect(signal: AbortSignal): Promise<{ state: LinkState; text: string }> {
    this.#listener.onState('connecting', '');
    const broken = new AbortController();
    const end = (): void => broken.abort();
    signal.addEventListener('abort', end);
    try {
      const response = await fetch('/live', {
        headers: this.#headers(),
        signal: broken.signal,
        cache: 'no-store',
      });
      if (!response.ok || response.body === null) return await refusalOf(response, this.#token !== '');
      this.#failures = 0;
      this.#listener.onState('open', '');
      return await this.#read(response.body, end);
    } catch {
      return { state: 'lost', text: 'The coordinator cannot be reached; trying again.' };
    } finally {
      signal.removeEventListener('abort', end);
      broken.abort();
    }
  }

  async #read(body: ReadableStream<Uint8Array>, end: () => void): Promise<{ state: LinkState; text: string }> {
    const [decoder, events, reader] = [new TextDecoder(), new EventText(), body.getReader()];
    for (;;) {
      const timer = setTimeout(end, silenceMs);
      const { done, value } = await reader.read().finally(() => clearTimeout(timer));
      if (done) return { state: 'lost', text: 'The coordinator has closed the connection; trying again.' };
      for (const event of events.add(decoder.decode(value, { stream: true }))) {
        if (event.name === 'refused') return { state: 'refused', text: event.value.error };
        this.#listener.onEvent(event);
        if (event.name === 'end' && event.value.state !== 'again') return { state: 'over', text: event.value.text };
      }
    }
  }
}

/** What an answer that is no stream says. */
async function refusalOf(response: Response, hadToken: boolean): Promise<{ state: LinkState; text: string }> {
  const said = (await response.json().catch(() => ({}))) as { error?: unknown };
  const text = typeof said.error === 'string' ? said.error : `The coordinator answered ${response.status}.`;
  if (response.status !== 401 && response.status !== 403) return { state: 'lost', text };
  return { state: 'refused', text: hadToken ? text : '' };
}

/** A token as a header takes it: what is no such character is in no token, and would keep the request from being sent. */
function sendable(token: string): string {
  return token.replace(/[^\x21-\x7e]/g, '');
}

function readToken(): string {
  try {
    return sessionStorage.getItem(key) ?? '';
  } catch {
    return ''; // A browser may forbid it; then the token lasts as long as the page.
  }
}

function keepToken(token: string): void {
  try {
    sessionStorage.setItem(key, token);
  } catch {
    // As above.
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
