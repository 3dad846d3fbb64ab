/**
 * What ONNX Runtime's CUDA provider is made of: its own libraries in the version of the npm package, and the libraries
 * of CUDA 13 that they load. The driver is the machine's.
 */
import type { PinnedLibrary } from '../pinned-library.js';

export const onnxruntimeVersion = '1.30.0';

/** The package with ONNX Runtime's core and its providers. */
export const providerLibrary: PinnedLibrary = {
  library: 'onnxruntime-gpu',
  version: onnxruntimeVersion,
  wheels: [
    providerWheel('cp311', 246658419, '4fbf0c5d7b5fb99266c2e8a802e3e64af68bdc383e0f3c7349b985f1087eedaa'),
    providerWheel('cp312', 246685715, '6acc0f4b3d5ac5f2984432faa59dd8fcce6775f8b43a7140afa0f322c7a703b1'),
    providerWheel('cp313', 246688669, '9aba23f903f434cc55d851aeb801afee19e287c202f4ab8f59d02f04caa90aed'),
    providerWheel('cp314', 246693192, '5aacc98f394a13f4891c0a07e60479d8fb0b1ea6f3328b6b38cfc88f9dfb05ea'),
  ],
};

/** CUDA's libraries that the provider loads, at once or when it needs them. */
export const cudaLibraries: readonly PinnedLibrary[] = [
  cudaLibrary('cuda-runtime', '13.5.37', 'manylinux2014_x86_64.manylinux_2_17', {
    sizeBytes: 2504024,
    sha256: 'df2b79a8852f10d1fef8c848489c49eebb5754051bf870202a862831412b179d',
  }),
  cudaLibrary('cublas', '13.10.0.20', 'manylinux1_x86_64.manylinux_2_5', {
    sizeBytes: 444289903,
    sha256: 'dcc6d63884c53d07e267ce7e6feac17b2538cebaafec5db865736c3e28e4dc84',
  }),
  cudaLibrary('cudnn-cu13', '9.28.1.4', 'manylinux_2_27', {
    sizeBytes: 516817937,
    sha256: 'a54f205b1db1f2895d99f398754db1369816f0569dd459731f925635cf7b65ec',
  }),
  cudaLibrary('curand', '10.4.5.25', 'manylinux_2_27', {
    sizeBytes: 77113015,
    sha256: '22bb226a857e5888fe6b54ae465fc4371296bcff13a35f79e19691bcf454f529',
  }),
  cudaLibrary('cufft', '12.5.0.14', 'manylinux2014_x86_64.manylinux_2_17', {
    sizeBytes: 165072555,
    sha256: 'b8be26837a5abad2b5b74f3e92dd29f622a42934b355be0961a48712cbba23ad',
  }),
  cudaLibrary('cuda-nvrtc', '13.5.37', 'manylinux2010_x86_64.manylinux_2_12', {
    sizeBytes: 58185930,
    sha256: '86b4d68058807988b7d9af5b44917a0601e9c337f35ccd657bfb3c759ff8d8bc',
  }),
  cudaLibrary('nvjitlink', '13.5.37', 'manylinux2010_x86_64.manylinux_2_12', {
    sizeBytes: 46642491,
    sha256: '280d7cb9649704145f074b8dbde500de04ce02d0872e066e20a83c17bcaa93eb',
  }),
];

function providerWheel(python: string, sizeBytes: number, sha256: string): PinnedLibrary['wheels'][0] {
  return {
    file: `onnxruntime_gpu-${onnxruntimeVersion}-${python}-${python}-manylinux_2_28_x86_64.whl`,
    sizeBytes,
    sha256,
  };
}

function cudaLibrary(
  name: string,
  version: string,
  platforms: string,
  { sizeBytes, sha256 }: { readonly sizeBytes: number; readonly sha256: string },
): PinnedLibrary {
  const file = `nvidia_${name.replaceAll('-', '_')}-${version}-py3-none-${platforms}_x86_64.whl`;
  return { library: `nvidia-${name}`, version, wheels: [{ file, sizeBytes, sha256 }] };
}
