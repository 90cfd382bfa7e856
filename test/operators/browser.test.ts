/** What operators reach when they run: no module of Node. `import type` is erased; everything else is loaded. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const source = fileURLToPath(new URL('../../src', import.meta.url));

/** Packages and modules of Node, with the way to the first that imports each. */
function reached(entry: string): Map<string, string> {
  const ways = new Map<string, string>([[join(source, entry), entry]]);
  const found = new Map<string, string>();
  for (const [file, way] of ways) {
    const text = readFileSync(file, 'utf8');
    for (const [, to] of text.matchAll(/^(?:import|export)\s(?!type\s)[^;]*?from\s+'([^']+)'/gm)) {
      if (!to.startsWith('.')) found.set(to, way);
      else if (!ways.has(join(dirname(file), to))) ways.set(join(dirname(file), to), `${way} > ${to}`);
    }
  }
  return found;
}

it.each(['operators/registry.ts', 'models/build.ts', 'models/export-onnx.ts', 'models/import-onnx.ts'])(
  '%s',
  (entry) => {
    expect([...reached(entry)].filter(([name]) => name !== 'zod')).toEqual([]);
  },
);
