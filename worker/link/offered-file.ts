/** The file in memory that a worker offers a coordinator at the same host with its hello, and what becomes of it. */
import { MemoryFile, NotShared } from '../../shared/exchange/planes/memory-file.js';
import { MemoryPlane, type MemoryPlaneOptions } from '../../shared/exchange/planes/memory.js';
import { socketPlane } from '../../shared/exchange/planes/socket.js';
import type { Plane } from '../../shared/exchange/plane.js';

export class OfferedFile {
  /** What the hello says; absent where there is nothing to offer. */
  readonly name: string | undefined;
  readonly #made: ReturnType<typeof MemoryFile.make> | null;
  readonly #log: (text: string) => void;

  /**
   * Makes the file; where that fails, a line says why.
   *
   * @param folder the folder in memory; null where none is to be offered
   */
  constructor(folder: string | null, log: (text: string) => void) {
    this.#log = log;
    this.#made = this.#make(folder);
    this.name = this.#made?.name;
  }

  /**
   * The plane that the coordinator's welcome decides for.
   *
   * @param nonce what it has read in the file; undefined where it has not read it
   */
  planeFor(nonce: string | undefined, acknowledge: MemoryPlaneOptions['acknowledge']): Plane {
    const made = this.#made;
    if (made === null) return socketPlane;
    made.forget();
    if (nonce === made.file.nonce) {
      const onFault = (reason: string): void => this.#log(`gradients go on through the socket: ${reason}`);
      return new MemoryPlane({ file: made.file, sends: 'up', acknowledge, onFault });
    }
    const why = nonce === undefined ? 'has not opened' : 'has read something else in';
    this.#log(`bulk bytes travel through the socket: the coordinator ${why} the file in memory offered to it`);
    made.file.close();
    return socketPlane;
  }

  /** The connection has ended. */
  close(): void {
    this.#made?.forget();
    this.#made?.file.close();
  }

  #make(folder: string | null): ReturnType<typeof MemoryFile.make> | null {
    if (folder === null) return null;
    try {
      return MemoryFile.make(folder);
    } catch (error) {
      if (!(error instanceof NotShared)) throw error;
      this.#log(`bulk bytes travel through the socket: no file in memory: ${error.message}`);
      return null;
    }
  }
}
