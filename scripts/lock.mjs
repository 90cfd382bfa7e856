/**
 * `npm run lock`: whether package-lock.json is whole, so that `npm ci` installs on every system. npm itself is asked
 * for each system in turn; it installs nothing.
 *
 * npm leaves other systems' optional packages out of a lock file when it is written beside a node_modules folder that
 * lacks them. To make one whole again: delete package-lock.json's entries of that package (or the file), and run
 * `npm install --package-lock-only` where there is no node_modules.
 */
import { npm } from './prepare.mjs';

for (const [os, cpu, libc] of [
  ['linux', 'x64', 'glibc'],
  ['linux', 'arm64', 'glibc'],
  ['linux', 'x64', 'musl'],
  ['darwin', 'arm64'],
  ['darwin', 'x64'],
  ['win32', 'x64'],
  ['win32', 'arm64'],
]) {
  console.log(`${os} ${cpu}${libc === undefined ? '' : ` ${libc}`}`);
  const system = [`--os=${os}`, `--cpu=${cpu}`, ...(libc === undefined ? [] : [`--libc=${libc}`])];
  npm(['ci', '--dry-run', '--ignore-scripts', '--no-audit', '--no-fund', ...system]);
}
