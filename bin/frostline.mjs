#!/usr/bin/env node
/** The `frostline` command: what the build made of src/cli/main.ts, or what to do where nothing was built. */
import { existsSync } from 'node:fs';

const main = new URL('../dist/cli/main.js', import.meta.url);
if (existsSync(main)) await import(main);
else {
  console.error(
    'frostline: dist/ is missing: this copy was never built. In a clone: npm run build. Was it installed from a package? ' +
      'Then npm ran no prepack script when it was packed: npm pack --ignore-scripts=false in the clone, and install that.',
  );
  process.exitCode = 2;
}
