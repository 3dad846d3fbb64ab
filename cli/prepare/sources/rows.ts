/** A data set as every format's reader gives it. */
export type Rows = Uint8Array | Int32Array | Float32Array;

/** A vector a sample. */
export interface Targets {
  /** Numbers of a vector. */
  readonly width: number;
  /** [samples x width] */
  readonly values: Float32Array;
}

export interface Source {
  /** What error messages call it: the file of the inputs. */
  readonly file: string;
  readonly samples: number;
  /** Shape of one sample, channels last. */
  readonly shape: readonly number[];
  readonly dtype: 'uint8' | 'int32' | 'float32';
  /** [samples], or [samples x positions]; -1 for none. Where samples have targets: 0 for one that has, -1 for none. */
  readonly labels: Int32Array;
  /** Absent: samples have classes. */
  readonly targets?: Targets | undefined;
  /** Of a sequence with a label at each position; absent: samples are no such sequences. */
  readonly positions?: number | undefined;
  /** As labels, at least 0; 0 at positions that do not count. Absent: all are 1. */
  readonly weights?: Float32Array | undefined;
  /** By class number, where the format tells: of folders. */
  readonly classNames?: readonly string[];
  /** Rows [from, to), one after the other. */
  read(from: number, to: number): Promise<Rows>;
  close(): Promise<void>;
}
