import { z } from 'zod';
import type { Measured } from '../../bench/compare.ts';
import { OURS, peerNames } from '../../bench/peers/list.ts';
import type { FoundPeer } from '../../bench/peers/pool.ts';
import type { Outcome, PeerRow } from '../../bench/peers/rounds.ts';
import { FrostlineError } from '../../errors.ts';
import { openAdapter } from '../adapter.ts';
import {
  benchHead,
  benchOptions,
  chooseByName,
  milliseconds,
  networkNames,
  prepareResults,
  printChanges,
  samplingOf,
  targetTable,
  timeText,
  writePage,
} from '../bench-options.ts';
import { defineCommand } from '../command.ts';

const works = ['gemm', ...networkNames] as const;

export const command = defineCommand({
  description:
    'Times the same layers, forward passes and training steps in frostline and in other frameworks, in turn, each in a process of its own, on the same adapter. Outputs are compared with ours first: a peer whose output is wrong is not timed. Peers are found where they are installed, else left out by name: onnxruntime-node (WebGPU, CPU), TensorFlow.js (WebGPU), jax-js (WebGPU), PyTorch (CPU). Exits with 1 where frostline fails, or is slower than in --compare.',
  options: z.object({
    ...benchOptions,
    networks: z
      .array(z.enum(works))
      .optional()
      .describe(
        'which work: gemm, a matrix product of 768; networks. gemm, alexnet and vgg16; with --quick gemm and alexnet-small',
      ),
    only: z.array(z.enum(peerNames)).optional().describe('these peers alone'),
    peers: z
      .string()
      .optional()
      .meta({ valueName: 'DIR' })
      .describe('folder with node_modules that hold the peers; else FROSTLINE_PEERS, the working folder'),
    patience: z
      .number()
      .positive()
      .default(30)
      .describe('seconds of samples of one peer in one row; one sample is always taken'),
    timeout: z.number().positive().default(300).describe('seconds until a run is given up'),
  }),
  json: true,
  examples: [
    { what: 'everything, in about half an hour without a GPU', line: '--peers /tmp/peers --json' },
    { what: "AlexNet's convolutions", line: '--networks alexnet --filter conv' },
    { what: 'one training step', line: "--networks alexnet --filter 'training step' --only jax-js" },
  ],
  async run(
    { filter, batch, quick, networks, only, peers, patience, timeout, compare, html, adapter, algorithm, ...rest },
    context,
  ) {
    const [
      { PeerPool, peerRoots },
      { measureCase },
      { peerCases, workName },
      { measureRoofline },
      { measureProductShare },
      { peerTargets },
    ] = await Promise.all([
      import('../../bench/peers/pool.ts'),
      import('../../bench/peers/rounds.ts'),
      import('../../bench/peers/work.ts'),
      import('../../bench/roofline.ts'),
      import('../../bench/product-share.ts'),
      import('../../bench/peers/peer-targets.ts'),
    ]);
    const { mkdtemp, rm } = await import('node:fs/promises');
    const { tmpdir } = await import('node:os');
    const { join } = await import('node:path');
    const { driverEnvironment } = await import('../../gpu/adapter.ts');

    if (batch !== undefined && networks?.every((name) => name === 'gemm')) {
      throw new FrostlineError(
        `--batch ${batch.join(' ')}: the matrix product has none, its extent is 768. Leave --batch out, or name networks.`,
      );
    }
    const roots = peerRoots(peers);
    const gpu = await openAdapter(adapter, context, algorithm);
    const sampling = samplingOf({ quick, ...rest });
    const names = networks ?? (quick ? (['gemm', 'alexnet-small'] as const) : (['gemm', 'alexnet', 'vgg16'] as const));
    const all = names.flatMap((name) => peerCases(name, { batch, quick }));
    const cases = chooseByName(all, workName, filter);
    const old = await prepareResults({ compare, html }, cases.map(workName), gpu);
    const roofline = await measureRoofline(gpu, sampling);
    const product = cases.find(({ network }) => network === 'gemm');
    const productShare = product && (await measureProductShare(gpu, product.batch, quick ? 5 : PRODUCT_ROUNDS));

    const folder = await mkdtemp(join(tmpdir(), 'frostline-peers-'));
    context.defer(() => rm(folder, { recursive: true, force: true }));
    const pool = new PeerPool({
      roots,
      only,
      adapter: adapter ?? gpu.kind,
      adapterName: gpu.name,
      algorithms: gpu.algorithms,
      environment: await driverEnvironment(gpu.kind),
      timeout,
    });
    context.defer(() => pool.close());
    await pool.open();
    for (const { name, reason } of pool.missing) context.note(`without ${name}: ${reason}`);

    const rows: PeerRow[] = [];
    for (const [index, work] of cases.entries()) {
      context.signal.throwIfAborted();
      const title = `${index + 1} of ${cases.length}: ${workName(work)}`;
      const options = { ...sampling, patience, folder };
      const row = await measureCase(work, await pool.ready(), options, (text) => context.note(`${title}: ${text}`));
      rows.push(row);
      const ours = row.outcomes[OURS];
      if (ours.status !== 'timed') context.checkFailed(`${row.name}: frostline: ${outcomeText(ours)}`);
    }
    const { found, missing } = pool;
    const onAdapter = found.filter(({ name, on }) => on === 'adapter' && name !== OURS).map(({ name }) => name);
    const targets = peerTargets(rows, onAdapter, productShare?.share);
    const measured = rows.map(withOurTiming);
    const report = { ...benchHead(gpu), roofline, productShare, peers: found, missing, targets, rows: measured };
    if (context.json) context.printJson(report);
    else {
      context.print(await tableOf(rows, found, onAdapter));
      for (const { name, outcomes } of rows) {
        for (const [peer, outcome] of Object.entries(outcomes)) {
          if (outcome.status !== 'timed') context.print(`${name}: ${peer}: ${outcomeText(outcome)}`);
        }
      }
      if (productShare !== undefined) {
        const { milliseconds: time, gflops, share } = productShare;
        context.print(
          `matrix product, packing of both operands included, in turns with the multiply-add ceiling: ${milliseconds(time)} ms, ` +
            `${gflops.toFixed(1)} GFLOP/s, ${share.toFixed(2)} of the ceiling`,
        );
      }
      context.print(await targetTable(targets));
    }
    if (html !== undefined) {
      const { peersHtml } = await import('../../report/bench-html.ts');
      await writePage(html, await peersHtml(report), context);
    }
    if (old !== undefined) await printChanges(old, measured.filter(isTimed), context);
  },
});

/** Rounds of a product and the ceiling, in turns. */
const PRODUCT_ROUNDS = 25;

/** Our own timing where `--compare` looks for it. */
function withOurTiming(row: PeerRow): PeerRow & Partial<Measured> {
  const ours = row.outcomes[OURS];
  return ours?.status === 'timed' ? { ...row, timing: ours.timing } : row;
}

const isTimed = <T extends object>(row: T & Partial<Measured>): row is T & Measured => row.timing !== undefined;

function outcomeText(outcome: Outcome): string {
  switch (outcome.status) {
    case 'timed':
      return timeText(outcome.timing);
    case 'wrong':
      return `wrong: ${outcome.output} is ${outcome.error.toPrecision(2)} of its size away from ours`;
    default:
      return `${outcome.status}: ${outcome.reason}`;
  }
}

async function tableOf(rows: readonly PeerRow[], found: readonly FoundPeer[], onAdapter: readonly string[]) {
  const { default: Table } = await import('cli-table3');
  const { bestPeer, ratioTo } = await import('../../bench/peers/peer-targets.ts');
  const table = new Table({
    head: ['case', ...found.map(({ name, version }) => `${name} ${version}`), 'best peer / ours'],
    colAligns: ['left', ...new Array<'right'>(found.length + 1).fill('right')],
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) {
    const best = bestPeer(row, onAdapter);
    table.push([
      row.name,
      ...found.map(({ name }) => {
        const outcome = row.outcomes[name];
        if (outcome === undefined) return '';
        if (outcome.status !== 'timed') return outcome.status === 'unsupported' ? '-' : outcome.status.toUpperCase();
        const ratio = name === OURS ? undefined : ratioTo(row, name);
        return `${milliseconds(outcome.timing.median)}${ratio === undefined ? '' : ` (${ratio.toPrecision(2)})`}`;
      }),
      best === undefined ? '' : `${best.ratio.toPrecision(2)} ${best.name}`,
    ]);
  }
  return `${table.toString()}\nmilliseconds, medians; in brackets how many times as long as ours`;
}
