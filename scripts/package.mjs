/**
 * `npm run package`: installs what is missing, builds, and packs. Plain `npm pack` runs no prepack script where
 * `ignore-scripts` is set, as it is here, and would pack a clone that was never built. Flags go to npm pack.
 */
import { build, install, npm } from './prepare.mjs';

install();
build();
npm(['pack', ...process.argv.slice(2)]);
