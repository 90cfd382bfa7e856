/** `npm start`: installs what is missing, builds, and runs the quick-start grid. Further flags go to the sweep. */
import { join } from 'node:path';
import { build, install, root, run } from './prepare.mjs';

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`frostline needs Node 20.19 or newer; this is ${process.version}.`);
  process.exit(2);
}
install();
build();
run(process.execPath, [join(root, 'dist', 'cli', 'main.js'), 'sweep', 'quickstart', ...process.argv.slice(2)]);
