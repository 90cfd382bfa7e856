/**
 * All that networks and training ask of the machine that they run on, by name: paths, files, hashes, other processes, time.
 * Here Node gives it. Nothing in graph, kernels, operators, models or train reaches Node but through this module and the two
 * beside it that write (files.ts) and read (read-files.ts): to run elsewhere, a browser say, these three have to be given.
 */
export { createHash, randomUUID } from 'node:crypto';
export { existsSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
export { mkdtemp, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
export { createRequire } from 'node:module';
export { hostname, release, tmpdir } from 'node:os';
export { basename, dirname, extname, join, resolve } from 'node:path';
export { setTimeout as sleep } from 'node:timers/promises';
export { fileURLToPath } from 'node:url';
