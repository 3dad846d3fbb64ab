/** Server-Sent Events out of a text that comes in pieces, as the coordinator writes them. Pure. */
import type { PageEvents } from './messages.js';

/** An event with the type that its name has. */
export type PageEvent = { [Name in keyof PageEvents]: { name: Name; value: PageEvents[Name] } }[keyof PageEvents];

/** Puts pieces together. */
export class EventText {
  #rest = '';

  /** Takes a piece. @returns the events that it completes. @throws SyntaxError where one is not JSON */
  add(piece: string): PageEvent[] {
    const parts = (this.#rest + piece).split('\n\n');
    this.#rest = parts.pop() ?? '';
    return parts.map(eventOf);
  }
}

function eventOf(text: string): PageEvent {
  const fields = new Map(
    text.split('\n').map((line): [string, string] => {
      const colon = line.indexOf(': ');
      return [line.slice(0, colon), line.slice(colon + 2)];
    }),
  );
  // The coordinator that served this file wrote the event.
  return { name: fields.get('event'), value: JSON.parse(fields.get('data') ?? 'null') as unknown } as PageEvent;
}
