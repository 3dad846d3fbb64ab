import { defineConfig } from 'vitest/config';

/** Needs a Python with the packages of examples/requirements.txt, named in STILLHOUSE_PYTHON, and dist/. */
export default defineConfig({
  test: {
    include: ['test/examples/made/**/*.test.ts'],
    reporters: process.env.STILLHOUSE_TEST_REPORT === undefined ? ['default'] : ['default', 'json'],
    outputFile: { json: process.env.STILLHOUSE_TEST_REPORT ?? '' },
    pool: 'forks',
    // Each runs workers and trains in Python on all cores.
    fileParallelism: false,
    testTimeout: 600_000,
    hookTimeout: 1_200_000,
  },
});
