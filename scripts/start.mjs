/**
 * `npm start`: installs what is missing, builds, and runs both quick-start grids. Further flags go to both; `--out DIR`
 * makes DIR and DIR-textures.
 */
import { join } from 'node:path';
import { build, install, root, run } from './prepare.mjs';

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`frostline needs Node 20.19 or newer; this is ${process.version}.`);
  process.exit(2);
}
install();
build();

const flags = process.argv.slice(2);
const at = flags.indexOf('--out');
const out = at < 0 ? undefined : flags.splice(at, 2)[1];
for (const [preset, folder] of [
  ['quickstart', out],
  ['textures', out && `${out}-textures`],
]) {
  const place = folder === undefined ? [] : ['--out', folder];
  run(process.execPath, [join(root, 'dist', 'cli', 'main.js'), 'sweep', preset, ...place, ...flags]);
}
