import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // vitest.full.config.ts runs these too.
    exclude: ['test/full/**'],
    pool: 'forks',
    // Two cores and one software adapter: more workers only contend.
    maxWorkers: 2,
    // Results must not depend on what was tuned or probed on this machine.
    env: { FROSTLINE_TUNE: 'off', FROSTLINE_PROBE: 'off' },
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // `npm run coverage`; files that no test imports are counted, too.
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      reporter: ['text-summary', 'json-summary', 'html'],
      reportsDirectory: 'coverage',
      reportOnFailure: true,
    },
  },
});
