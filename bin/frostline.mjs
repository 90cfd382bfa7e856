#!/usr/bin/env node
/** The `frostline` command: what the build made of src/cli/main.ts, or what to do where nothing was built. */
import { existsSync } from 'node:fs';

const main = new URL('../dist/cli/main.js', import.meta.url);
if (existsSync(main)) await import(main);
else {
  console.error(
    'frostline: dist/ is missing: this copy was never built. In the clone: npm run package, then install that.',
  );
  process.exitCode = 2;
}
