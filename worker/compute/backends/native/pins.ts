/** What a native backend is made of: versions, sizes and digests. Nothing else is ever installed. */

import type { PinnedLibrary, Wheel } from '../pinned-library.js';

export const flavours = ['cpu', 'cuda'] as const;

/** Which of TensorFlow's builds an installation holds: for the CPU, or with CUDA. */
export type Flavour = (typeof flavours)[number];

/** The packages that an installation is made of, fixed to the byte. The wheel has TensorFlow's libraries and headers. */
export interface Pins extends PinnedLibrary {
  /** The npm package of the bindings and the registry's digest of it. */
  readonly binding: string;
  readonly bindingIntegrity: string;
}

export const tensorflowVersion = '2.21.0';
export const bindingVersion = '4.22.0';
export const headersVersion = '1.9.0';
export const headersIntegrity =
  'sha512-2oNILP4jXwRB4ywnYKjVk1YyJ96n2D4EOVJO6S3oYZ5PtbJrw3Yt9TpAuX3nBLMuzn74rnfGQrv13pS9vC+YiA==';

export const pins: Readonly<Record<Flavour, Pins>> = {
  cpu: {
    binding: '@tensorflow/tfjs-node',
    bindingIntegrity: 'sha512-uHrXeUlfgkMxTZqHkESSV7zSdKdV0LlsBeblqkuKU9nnfxB1pC6DtoyYVaLxznzZy7WQSegjcohxxCjAf6Dc7w==',
    library: 'tensorflow-cpu',
    version: tensorflowVersion,
    wheels: [
      wheel('tensorflow_cpu', 'cp311', 273829956, '2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c'),
      wheel('tensorflow_cpu', 'cp310', 273601549, 'd143e92f5c0661cdfa26eaca8f73cd2efd0ec53a68af8dec82f584ba8eb14b83'),
      wheel('tensorflow_cpu', 'cp312', 274000871, 'dcc8afd32930e42d5296b6ee19078b773706830af4ea97fbe503b9f5e0f820cb'),
      wheel('tensorflow_cpu', 'cp313', 274271560, '05af7c26d35f4de910b5598c7b507e3981831a7b0f47fed9a405d995d51d7793'),
    ],
  },
  cuda: {
    binding: '@tensorflow/tfjs-node-gpu',
    bindingIntegrity: 'sha512-p//NN6DGiN4hInUmIkRffaFVMcdTREUMjPyjW04J7OXvB2zBlQimj61eFKSgRrH3f5TnOfKzb0n56he/B6a4bw==',
    library: 'tensorflow',
    version: tensorflowVersion,
    wheels: [
      wheel('tensorflow', 'cp311', 572440367, '9056fbc9ba04235810b71ae6cbd958a196e8804fb53bbcffbf3e23b56155f124'),
      wheel('tensorflow', 'cp310', 572211261, '77c6f298e695ea1d283cdd7d30f8d97530cc6e92c1395a9ddbab9771c99233a4'),
      wheel('tensorflow', 'cp312', 572611111, 'b3b95643c4e70eb925839938fb35cbe142f317ec84af6844ee61513713bb13c0'),
      wheel('tensorflow', 'cp313', 572881074, 'e9d8da8dcab9650efb45f032ba70af2f016f907e6e0c6bda29dd101bba945406'),
    ],
  },
};

function wheel(name: string, python: string, sizeBytes: number, sha256: string): Wheel {
  return { file: `${name}-${tensorflowVersion}-${python}-${python}-manylinux_2_27_x86_64.whl`, sizeBytes, sha256 };
}
