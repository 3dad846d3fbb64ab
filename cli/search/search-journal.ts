/** search.jsonl: lines are only ever appended, each on the disk before anything follows from it; a torn tail is cut off. */
import { open, readFile, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { storing, syncFolder } from '../../coordinator/store/durable-files.js';
import { exitCodes, UserError } from '../../shared/errors.js';
import { ifThere } from '../../shared/files.js';
import { parseJson } from '../../shared/json.js';
import { afterLine, emptySearch, searchLineSchema, type SearchLine, type SearchState } from './search-state.js';

export class SearchJournal {
  readonly #file: FileHandle;
  readonly #path: string;
  #state: SearchState;

  private constructor(file: FileHandle, path: string, state: SearchState) {
    this.#file = file;
    this.#path = path;
    this.#state = state;
  }

  /**
   * Opens the journal of a search's folder, which is there; one without a journal has no lines.
   * @throws UserError 65 when it is damaged, 69 when the disk does not let it be written
   */
  static async open(folder: string): Promise<SearchJournal> {
    const path = join(folder, 'search.jsonl');
    return storing(path, async () => {
      const bytes = (await ifThere(readFile(path))) ?? Buffer.alloc(0);
      const { state, wholeBytes } = readSearch(bytes, path);
      const file = await open(path, 'a');
      await file.truncate(wholeBytes);
      await file.sync();
      await syncFolder(dirname(path));
      return new SearchJournal(file, path, state);
    });
  }

  /** What the lines so far say. */
  get state(): SearchState {
    return this.#state;
  }

  /** Appends a line, which is on the disk once this resolves, and part of `state` then. One call at a time. */
  async append(line: SearchLine): Promise<void> {
    const state = afterLine(this.#state, line);
    await storing(this.#path, async () => {
      await this.#file.appendFile(`${JSON.stringify(line)}\n`);
      await this.#file.datasync();
    });
    this.#state = state;
  }

  /** Closes the file. The journal must not be used any more. */
  async close(): Promise<void> {
    await this.#file.close();
  }
}

/**
 * What a journal's bytes say, up to the last line that is whole.
 * @param path stands in messages
 * @throws UserError 65 for a line before it that is none
 */
export function readSearch(
  bytes: Uint8Array,
  path: string,
): { readonly state: SearchState; readonly wholeBytes: number } {
  const wholeBytes = bytes.lastIndexOf(10) + 1;
  const lines = Buffer.from(bytes.subarray(0, wholeBytes)).toString('utf8').split('\n').slice(0, -1);
  const state = lines.reduce((before, text, i) => {
    const line = searchLineSchema.safeParse(parseJson(Buffer.from(text)));
    if (line.success) return afterLine(before, line.data);
    throw new UserError(
      `${path}, line ${i + 1}: it is not what was written there; put it back from a copy, or choose another --out`,
      exitCodes.data,
    );
  }, emptySearch);
  return { state, wholeBytes };
}
