/**
 * The seam between a recipe's names and the servers that they lie on: a store lists what a name stands for, and reads
 * bytes of it. A store keeps nothing on the disk, and shows no credentials in any text.
 */
import type { HttpClient } from './http-client.js';

/** A file as its server tells of it, before any of it is read. */
export interface RemoteObject {
  /** The file's address without credentials; where the server keeps versions, it names one. */
  readonly address: string;
  /** Where the file lies below the folder that was listed, with `/` between its parts; of a single file its name. */
  readonly path: string;
  /** Null: the server does not tell. */
  readonly bytes: number | null;
  readonly etag: string | null;
  readonly modified: string | null;
  /** SHA-256 in hexadecimal, where the server tells. */
  readonly sha256: string | null;
}

/** What a name stands for. */
export interface RemoteListing {
  readonly kind: 'file' | 'folder' | 'pattern';
  /** The name with its version where the server keeps some; else the name itself. */
  readonly address: string;
  /** The part of a pattern below the folder that was listed. */
  readonly pattern: string;
  /** The files, in the order of their paths. */
  readonly objects: readonly RemoteObject[];
}

/** The bytes [from, to) of a file. */
export interface PieceRange {
  readonly from: number;
  readonly to: number;
}

export interface RemoteBody {
  readonly bytes: AsyncIterable<unknown>;
  /** Whether the file comes as a whole, because the server knows no ranges or none was asked for. */
  readonly isWhole: boolean;
  /** Ends the transfer, whatever of it has come. */
  close(): void;
}

export interface RemoteStore {
  /**
   * Asks what a name stands for. Nothing of the files is read.
   * @returns null where nothing has that name
   * @throws UserError 2 where credentials are missing or wrong, OutOfReach (69) where the server does not answer
   */
  list(name: string): Promise<RemoteListing | null>;
  /**
   * Begins to read a file.
   * @param range null for all of it
   * @throws UserError 65 where the file is no longer what was listed, 2 where credentials are wrong
   * @throws TransferBroken where another attempt may succeed
   */
  read(object: RemoteObject, range: PieceRange | null): Promise<RemoteBody>;
}

/** What a store works with. */
export interface StoreContext {
  readonly http: HttpClient;
  /** Where addresses and credentials are looked up. */
  readonly env: NodeJS.ProcessEnv;
  /** Gives the address with its signature for one that shows none. */
  readonly reveal: (address: string) => string;
}

/** A scheme of names, and the store behind it. */
export interface RemoteScheme {
  /** How names begin, such as `s3://`. */
  readonly begins: string;
  open(context: StoreContext): RemoteStore;
}
