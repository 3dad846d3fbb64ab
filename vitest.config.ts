import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // test/native needs the native backend: it runs where STILLHOUSE_BACKEND asks for that one. Programs of test/e2e
    // and test/faults have cache folders of their own, without it: once is enough. test/cuda needs ONNX Runtime's CUDA provider to be installed,
    // test/slurm Slurm, and test/examples/made Python (vitest.examples.config.ts).
    exclude: [
      'test/containers/**',
      ...(process.env.STILLHOUSE_CUDA === '1' ? [] : ['test/cuda/**']),
      ...(process.env.STILLHOUSE_SLURM === '1' ? [] : ['test/slurm/**']),
      'test/examples/made/**',
      ...(process.env.STILLHOUSE_BACKEND === 'native' ? ['test/e2e/**', 'test/faults/**'] : ['test/native/**']),
      '**/node_modules/**',
    ],
    // Where the program that runs the tests wants their results as JSON.
    reporters: process.env.STILLHOUSE_TEST_REPORT === undefined ? ['default'] : ['default', 'json'],
    outputFile: { json: process.env.STILLHOUSE_TEST_REPORT ?? '' },
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
