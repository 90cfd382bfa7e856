/** The everyday tests and the long ones of test/full. */
import { defineConfig, mergeConfig } from 'vitest/config';
import everyday from './vitest.config.ts';

export default defineConfig(
  mergeConfig({ test: { ...everyday.test, exclude: [] } }, { test: { testTimeout: 600_000 } }),
);
