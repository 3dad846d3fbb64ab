import { defineConfig } from 'vitest/config';

/** Needs a Docker daemon and a base image with Node and npm, named in STILLHOUSE_TEST_BASE. */
export default defineConfig({
  test: {
    include: ['test/containers/**/*.test.ts'],
    env: { TESTCONTAINERS_RYUK_DISABLED: 'true' },
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 600_000,
  },
});
