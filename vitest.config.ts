import { existsSync } from 'node:fs';
import { defineConfig } from 'vitest/config';

const native = process.env.STILLHOUSE_BACKEND === 'native';

export default defineConfig({
  test: {
    // Where STILLHOUSE_BACKEND asks for the native backend: its own tests, and those of everything that computes or
    // chooses a backend. Nothing else knows which backends are there.
    include: native
      ? ['native/**', 'worker/{compute,labels,runs,tools,trainer}/**', 'cli/prepare'].map(
          (path) => `test/${path}/*.test.ts`,
        )
      : ['test/**/*.test.ts'],
    // test/cuda needs ONNX Runtime's CUDA provider to be installed, test/slurm Slurm, test/monitoring Prometheus, test/page Chromium, test/stores moto, test/trackers TensorBoard and MLflow, test/served MLServer, test/kubernetes what
    // test/kubernetes/cluster/build.sh builds, and test/examples/made Python (vitest.examples.config.ts).
    exclude: [
      'test/containers/**',
      ...(process.env.STILLHOUSE_CUDA === '1' ? [] : ['test/cuda/**']),
      ...(process.env.STILLHOUSE_SLURM === '1' ? [] : ['test/slurm/**']),
      ...(process.env.STILLHOUSE_PROMETHEUS === '1' ? [] : ['test/monitoring/**']),
      ...(process.env.STILLHOUSE_KUBERNETES_PROGRAMS === undefined ? ['test/kubernetes/**'] : []),
      ...(process.env.STILLHOUSE_TEST_IMAGES === undefined ? ['test/kubernetes/cluster.test.ts'] : []),
      ...(process.env.STILLHOUSE_MLSERVER === undefined ? ['test/served/**'] : []),
      ...(process.env.STILLHOUSE_MOTO === undefined ? ['test/stores/**'] : []),
      ...(process.env.STILLHOUSE_CHROMIUM === '1' ? [] : ['test/page/**']),
      ...(process.env.STILLHOUSE_TRACKERS === undefined ? ['test/trackers/**'] : []),
      // The units of deploy/systemd are read by systemd where it is.
      ...(existsSync('/usr/bin/systemd-analyze') ? [] : ['test/deploy/systemd.test.ts']),
      'test/examples/made/**',
      ...(native ? [] : ['test/native/**']),
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
