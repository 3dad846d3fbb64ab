/**
 * The numerics probe: every joiner computes the same first micro-batch under the initial weights, twice. The first
 * repeatable answer is the run's reference, kept in its folder; the others' are exact, close, or not repeatable. Where
 * bits depend on the library and the kind of processor, exact also means the same of both: one micro-batch with equal
 * bits does not say that all have.
 */
import { z } from 'zod';
import type { Device, Up } from '../../shared/protocol/messages.js';
import { join } from 'node:path';
import type { RunFolder } from '../store/run-folder.js';
import { parseStored } from '../store/durable-files.js';

export type Numerics = 'exact' | 'close' | 'unrepeatable' | 'unknown';
const referenceSchema = z.object({
  digest: z.string(),
  backend: z.enum(['wasm', 'native']),
  provider: z.enum(['cpu', 'cuda']).optional(),
  gpu: z.string().nullable(),
  host: z.string(),
  /** What the bits depend on there, where they depend on more than the backend. */
  numerics: z.string().optional(),
});
type ProbeFolder = Pick<RunFolder, 'path' | 'read' | 'write'>;
type Reference = z.infer<typeof referenceSchema>;
const fileName = 'probe.json';

export class Probes {
  readonly #folder: ProbeFolder;
  #reference: Reference | null;

  private constructor(folder: ProbeFolder, reference: Reference | null) {
    this.#folder = folder;
    this.#reference = reference;
  }

  /** @throws UserError (65) when the reference is damaged: another one would make other numerics exact */
  static async open(folder: ProbeFolder): Promise<Probes> {
    const text = await folder.read(fileName);
    return new Probes(
      folder,
      text === null ? null : parseStored(join(folder.path, fileName), referenceSchema, () => JSON.parse(text)),
    );
  }

  /** `saved` resolves once a new reference is on the disk. */
  judge(probe: Up<'ready'>['probe'], device: Device): { numerics: Numerics; saved: Promise<void> } {
    if (probe.failed !== undefined) return { numerics: 'unknown', saved: Promise.resolve() };
    if (!probe.repeatable) return { numerics: 'unrepeatable', saved: Promise.resolve() };
    if (this.#reference !== null) {
      const isExact = probe.digest === this.#reference.digest && probe.numerics === this.#reference.numerics;
      return { numerics: isExact ? 'exact' : 'close', saved: Promise.resolve() };
    }
    const { digest, numerics } = probe;
    const { backend, provider, gpu, host } = device;
    this.#reference = {
      ...{ digest, backend, gpu, host },
      ...(provider === undefined ? {} : { provider }),
      ...(numerics === undefined ? {} : { numerics }),
    };
    return { numerics: 'exact', saved: this.#folder.write(fileName, `${JSON.stringify(this.#reference)}\n`) };
  }

  get referenceText(): string {
    if (this.#reference === null) return 'none';
    const { numerics = deviceInWords(this.#reference), host } = this.#reference;
    return `${numerics}, ${host}`;
  }
}

/** What a worker computes with: `wasm`, `wasm, onnxruntime cuda on NVIDIA H200`. */
export function deviceInWords({ backend, provider, gpu }: Pick<Device, 'backend' | 'provider' | 'gpu'>): string {
  return `${backend}${provider === 'cuda' ? ', onnxruntime cuda' : ''}${gpu === null ? '' : ` on ${gpu}`}`;
}
