/**
 * `npm start`: installs what is missing, builds, and runs both quick-start grids at once, for neither keeps two cores or a
 * GPU busy; what the second says follows when the first is done. Further flags go to both; `--out DIR` makes DIR and
 * DIR-textures. On the embedded driver, several times slower than lavapipe, it takes fewer
 * splits (quick-splits.mjs), and says so.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { build, install, root } from './prepare.mjs';
import { quickSplits } from './quick-splits.mjs';

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
/** The value of an option among the flags, as `--name VALUE` or `--name=VALUE`. */
function optionOf(name) {
  const at = flags.findIndex((flag) => flag === name || flag.startsWith(`${name}=`));
  return at < 0 ? undefined : (flags[at].split('=')[1] ?? flags[at + 1]);
}
/** Fewer splits on the embedded driver, where nobody asks for a number; whatever is wrong with the adapter, the grids tell. */
async function fewerSplits() {
  if (['--splits', '--folds', '--help', '-h'].some((name) => flags.some((flag) => flag.split('=')[0] === name))) return;
  const [{ Gpu }, { presets }] = await Promise.all([import('../dist/index.js'), import('../dist/train/presets.js')]);
  const gpu = await Gpu.open({ adapter: optionOf('--adapter'), probe: false }).catch(() => undefined);
  const { splits: usual } = presets.quickstart;
  const splits = quickSplits(gpu?.kind, usual, out ?? join(root, 'runs', 'quickstart'));
  gpu?.destroy();
  if (splits === undefined) return;
  flags.push('--splits', `${splits}`);
  if (splits >= usual) return;
  console.error(
    `The embedded driver is slow: ${splits} splits in place of ${usual}. For all of them, ` +
      `\`npm start -- --splits ${usual}\`, or install lavapipe (README.md, "Adapters and drivers").`,
  );
}
await fewerSplits();

/** A grid in a process of its own, and a promise of its exit code. */
function sweep(preset, folder, output) {
  const place = folder === undefined ? [] : ['--out', folder];
  const command = [join(root, 'dist', 'cli', 'main.js'), 'sweep', preset, ...place, ...flags];
  const grid = spawn(process.execPath, command, { cwd: root, stdio: ['inherit', output, output] });
  const ended = new Promise((resolve) => {
    grid.on('error', () => resolve(1));
    grid.on('close', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1)));
  });
  return { grid, ended };
}

const clothes = sweep('quickstart', out, 'inherit');
const textures = sweep('textures', out && `${out}-textures`, 'pipe');
// Ctrl-C reaches both from the terminal, a second time would end them at once; this process waits for what they say of it.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {
  for (const { grid } of [clothes, textures]) grid.kill('SIGTERM');
});
let said = [];
for (const [from, to] of [
  [textures.grid.stdout, process.stdout],
  [textures.grid.stderr, process.stderr],
]) {
  from.on('data', (text) => {
    if (said === undefined) to.write(text);
    else said.push([to, text]);
  });
}
const first = await clothes.ended;
for (const [to, text] of said) to.write(text);
said = undefined;
process.exitCode = first || (await textures.ended);
