/** frostline probe: beside a grid and without one. */
import { mkdirSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { registry } from '../../src/cli/registry.ts';
import { temporaryFolder, writeImage, writeTiny } from './models.ts';
import { run } from './run.ts';

const at = temporaryFolder();

beforeAll(async () => {
  await writeTiny(at('tiny.onnx'));
  for (const [c, name] of ['boot', 'coat'].entries()) {
    mkdirSync(at(`shoes/${name}`), { recursive: true });
    for (let i = 0; i < 8; i++) await writeImage(at(`shoes/${name}/${i}.png`), 100 * c + i);
  }
});

const common = () => ['--model', at('tiny.onnx'), '--data', at('shoes'), '--batch-size', '4'];

describe('frostline probe', () => {
  it('probes every depth of a network on its training part', async () => {
    const { code, stdout } = await run(registry, 'probe', ...common());
    expect(code).toBe(0);
    for (const point of ['none', '2 conv1', '10 conv3', '20 fc7 (all)']) expect(stdout).toContain(point);
    expect(stdout).toMatch(/12 training images, each predicted by the others/);
    expect(stdout).toMatch(/no verdict/);
  });

  it("takes a grid's own network and data, and the report shows it beside the grid's scores", async () => {
    const out = at('grid');
    const points = ['--freeze', 'conv3,all', '--learning-rates', '0.01', '--epochs', '1', '--seed', '7'];
    expect((await run(registry, 'sweep', ...common(), ...points, '--out', out)).code).toBe(0);
    expect(readFileSync(`${out}/report.html`, 'utf8')).not.toContain('Probes of the frozen features');
    // As many images at a time as below: algorithms, and so last bits, depend on it.
    const { code, stdout } = await run(registry, 'probe', out, '--batch-size', '4', '--json');
    expect(code).toBe(0);
    const probe = JSON.parse(stdout);
    expect(probe).toEqual(JSON.parse(readFileSync(`${out}/probe.json`, 'utf8')));
    const alone = await run(registry, 'probe', ...common(), '--seed', '7', '--json');
    expect(JSON.parse(alone.stdout).points).toEqual(probe.points);
    const html = readFileSync(`${out}/report.html`, 'utf8');
    expect(html).toContain('Probes of the frozen features: evidence, no verdict');
    const rows = readFileSync(`${out}/report-files/probe.csv`, 'utf8').trim().split('\n');
    expect(rows.length).toBe(9);
    // Of the depths that the grid has, its scores; of the others none.
    expect(rows.slice(1).filter((row) => !row.endsWith(',')).length).toBe(2);
  });

  it('refuses a folder that is no grid, and nothing to probe', async () => {
    const folder = await run(registry, 'probe', at('shoes'));
    expect([folder.code, folder.stderr]).toEqual([2, expect.stringMatching(/give the folder of a grid/)]);
    const nothing = await run(registry, 'probe', '--data', at('shoes'));
    expect([nothing.code, nothing.stderr]).toEqual([2, expect.stringMatching(/No model/)]);
  });
});
