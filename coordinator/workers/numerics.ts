/**
 * The numerics probe: every joiner computes the same first micro-batch under the initial weights, twice. The first
 * repeatable answer is the run's reference, kept in its folder, until more hosts have come to another; the others' are exact, close, or not repeatable. Where
 * bits depend on the library and the kind of processor, exact also means the same of both: one micro-batch with equal
 * bits does not say that all have.
 */
import type { Device, Up } from '../../shared/protocol/messages.js';
import { join } from 'node:path';
import type { RunFolder } from '../store/run-folder.js';
import { parseStored } from '../store/durable-files.js';
import { referenceSchema, type Reference } from '../store/journal.js';
import { readSealed, sealedText } from '../store/seal.js';

export type Numerics = 'exact' | 'close' | 'unrepeatable' | 'unknown';
/** Hosts that agree before nothing moves the reference any more. */
const enoughHosts = 2;

export interface Judgement {
  readonly numerics: Numerics;
  /** Whether the reference is another one from here on. */
  readonly isRevised: boolean;
  /** Resolves once a new reference is on the disk. */
  readonly saved: Promise<void>;
}
const fileName = 'probe.json';

/** Where the reference is kept: in the run's folder, and in its journal. */
export interface ProbesOptions {
  readonly folder: Pick<RunFolder, 'path' | 'run' | 'read' | 'write'>;
  /** The reference by the journal; null for none. */
  readonly journalled: Reference | null;
  /** Writes it into the journal. */
  readonly journal: (reference: Reference) => Promise<void>;
  readonly warn: (line: string) => void;
}

export class Probes {
  readonly #options: ProbesOptions;
  #reference: Reference | null;
  /** The origins that came to each answer, in this generation. */
  readonly #origins = new Map<string, Set<string>>();

  private constructor(options: ProbesOptions, reference: Reference | null) {
    this.#options = options;
    this.#reference = reference;
  }

  /**
   * The journal's reference is the one that counts; a file that says another thing is written anew.
   *
   * @throws UserError (65) when only the file has the reference, and it is damaged: another one would make other numerics
   * exact
   */
  static async open(options: ProbesOptions): Promise<Probes> {
    const { folder, journalled, journal, warn } = options;
    const path = join(folder.path, fileName);
    const text = await folder.read(fileName);
    if (journalled === null) {
      if (text === null) return new Probes(options, null);
      const reference = parseStored(path, referenceSchema, () => readSealed(text, referenceSchema, folder.run));
      await journal(reference);
      return new Probes(options, reference);
    }
    const wanted = sealedText(journalled, folder.run);
    if (text !== wanted) {
      warn(`${path} is ${text === null ? 'missing' : 'damaged'}; it is written anew, as the journal has it`);
      await folder.write(fileName, wanted);
    }
    return new Probes(options, journalled);
  }

  /**
   * Judges one worker's answer. The first is the reference until more hosts come to another: who is there first may be
   * the one that is wrong.
   *
   * @param origin the host and token that the worker comes with
   */
  judge(probe: Up<'ready'>['probe'], device: Device, origin: string): Judgement {
    const saved = Promise.resolve();
    if (probe.failed !== undefined) return { numerics: 'unknown', isRevised: false, saved };
    if (!probe.repeatable) return { numerics: 'unrepeatable', isRevised: false, saved };
    const hosts = this.#count(keyOf(probe), origin);
    if (this.#reference === null) return { numerics: 'exact', isRevised: false, saved: this.#refer(probe, device) };
    if (keyOf(probe) === keyOf(this.#reference)) return { numerics: 'exact', isRevised: false, saved };
    const isRevised = hosts >= enoughHosts && hosts > this.#hostsOf(keyOf(this.#reference));
    if (!isRevised) return { numerics: 'close', isRevised, saved };
    return { numerics: 'exact', isRevised, saved: this.#refer(probe, device) };
  }

  /** Whether too few hosts have answered to know which answer is right: the reference is one host's alone, and not this one's. */
  isOpenTo(origin: string): boolean {
    if (this.#reference === null) return true;
    const hosts = this.#origins.get(keyOf(this.#reference));
    return hosts !== undefined && hosts.size < enoughHosts && !hosts.has(origin);
  }

  /** Whether this is the reference's answer. */
  isReference(probe: Up<'ready'>['probe']): boolean {
    return this.#reference !== null && keyOf(probe) === keyOf(this.#reference);
  }

  #count(key: string, origin: string): number {
    const origins = this.#origins.get(key) ?? new Set();
    this.#origins.set(key, origins.add(origin));
    return origins.size;
  }

  /** A reference that an earlier generation left has one host's word at least. */
  #hostsOf(key: string): number {
    return this.#origins.get(key)?.size ?? 1;
  }

  #refer({ digest, numerics }: Up<'ready'>['probe'], device: Device): Promise<void> {
    const { backend, provider, gpu, host } = device;
    this.#reference = {
      ...{ digest, backend, gpu, host },
      ...(provider === undefined ? {} : { provider }),
      ...(numerics === undefined ? {} : { numerics }),
    };
    return this.#save(this.#reference);
  }

  async #save(reference: Reference): Promise<void> {
    const { folder, journal } = this.#options;
    const canonical = referenceSchema.parse(reference);
    await folder.write(fileName, sealedText(canonical, folder.run));
    await journal(canonical);
  }

  get referenceText(): string {
    if (this.#reference === null) return 'none';
    const { numerics = deviceInWords(this.#reference), host } = this.#reference;
    return `${numerics}, ${host}`;
  }
}

function keyOf({ digest, numerics }: { readonly digest: string; readonly numerics?: string | undefined }): string {
  return `${digest} ${numerics ?? ''}`;
}

/** What a worker computes with: `wasm`, `wasm, onnxruntime cuda on NVIDIA H200`. */
export function deviceInWords({ backend, provider, gpu }: Pick<Device, 'backend' | 'provider' | 'gpu'>): string {
  return `${backend}${provider === 'cuda' ? ', onnxruntime cuda' : ''}${gpu === null ? '' : ` on ${gpu}`}`;
}

/** What computes a run's student: the compiled engine, or TensorFlow.js. */
export type EngineOfRun = 'onnx' | undefined;

/** What a worker computes the student on: `onnx cpu`, `onnx cuda on NVIDIA H200`; else its backend. */
export function studentDevice(device: Pick<Device, 'backend' | 'provider' | 'gpu'>, engine: EngineOfRun): string {
  if (engine === undefined) return deviceInWords(device);
  const { provider = 'cpu', gpu } = device;
  return `onnx ${provider}${provider === 'cpu' || gpu === null ? '' : ` on ${gpu}`}`;
}
