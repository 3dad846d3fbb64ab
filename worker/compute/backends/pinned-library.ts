/** A library that is installed from a Python package, fixed to the byte. */

/** A Python wheel: a zip with the package's files. */
export interface Wheel {
  readonly file: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** A Python package in one version. */
export interface PinnedLibrary {
  /** The package's name. */
  readonly library: string;
  readonly version: string;
  /**
   * The same libraries, built for several Pythons: the first is the one that is downloaded, all are taken from disk.
   */
  readonly wheels: readonly [Wheel, ...Wheel[]];
}
