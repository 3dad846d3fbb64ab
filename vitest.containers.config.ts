import { defineConfig } from 'vitest/config';

/**
 * Needs a Docker daemon and a base image with Node and npm, named in STILLHOUSE_TEST_BASE. STILLHOUSE_TEST_RUNTIME names one to
 * run in, which needs Node alone; default: the same.
 */
export default defineConfig({
  test: {
    include: ['test/containers/**/*.test.ts'],
    env: { TESTCONTAINERS_RYUK_DISABLED: 'true' },
    reporters: process.env.STILLHOUSE_TEST_REPORT === undefined ? ['default'] : ['default', 'json'],
    outputFile: { json: process.env.STILLHOUSE_TEST_REPORT ?? '' },
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 600_000,
  },
});
