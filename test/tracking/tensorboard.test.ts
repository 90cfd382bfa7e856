/** Event files: vectors of the checksum, the bytes of a record read by hand, and TensorBoard's own reader where there is one. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import protobuf from 'protobufjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { crc32c } from '../../src/tracking/crc32c.ts';
import { maskedCrc, TensorBoard } from '../../src/tracking/tensorboard.ts';
import { hasPython, python } from '../support/oracle.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'frostline-tensorboard-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('CRC-32C', () => {
  // RFC 3720, appendix B.4, and the check value of the catalogue of CRCs.
  it.each([
    ['32 bytes of 0', new Uint8Array(32), 0x8a9136aa],
    ['32 bytes of 255', new Uint8Array(32).fill(255), 0x62a8ab43],
    ['0 to 31', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    ['31 to 0', Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
    ['123456789', new TextEncoder().encode('123456789'), 0xe3069283],
    ['nothing', new Uint8Array(0), 0],
  ])('of %s', (_, bytes, crc) => {
    expect(crc32c(bytes)).toBe(crc);
  });

  it('is masked as TensorFlow masks it', () => {
    // crc32c_test.cc: the mask of a value is not the value, and is taken back by the reverse.
    const crc = crc32c(new TextEncoder().encode('foo'));
    const unmasked = (maskedCrc(new TextEncoder().encode('foo')) - 0xa282ead8) >>> 0;
    expect(((unmasked >>> 17) | (unmasked << 15)) >>> 0).toBe(crc);
  });
});

/** The schema that the writer does not use: from TensorFlow's event.proto and summary.proto, as far as needed. */
const { root } = protobuf.parse(
  `
  syntax = "proto3";
  message Event { double wall_time = 1; int64 step = 2; oneof what { string file_version = 3; Summary summary = 5; } }
  message Summary { message Value { string tag = 1; float simple_value = 2; } repeated Value value = 1; }
`,
  { keepCase: true },
);
const Event = root.lookupType('Event');

function records(bytes: Buffer): Record<string, unknown>[] {
  const found = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    const data = bytes.subarray(at + 12, at + 12 + length);
    found.push(Event.toObject(Event.decode(data), { longs: Number }));
    at += 16 + length;
  }
  return found;
}

async function write(name: string): Promise<string> {
  let time = 1_700_000_000_250;
  const board = new TensorBoard(join(folder, name), () => time++);
  board.begin({ name: 'cell-a', parameters: {} });
  board.scalars(0, { 'training/loss': 0.75 });
  board.scalars(300, { 'training/loss': 0.5, 'training/accuracy': 1 });
  board.begin({ name: 'cell-a', parameters: {}, resumedAt: 301 });
  board.scalars(301, { 'training/loss': Number.NaN });
  await board.close();
  return join(folder, name, 'cell-a');
}

describe('event files', () => {
  it('hold a version and a step each, framed and summed; a run that goes on has a file of its own', async () => {
    const own = await write('by-hand');
    const names = (await readdir(own)).sort();
    expect(names).toHaveLength(2);
    expect(names[0]).toMatch(/^events\.out\.tfevents\.1700000000\./);
    const [first, second] = await Promise.all(names.map((name) => readFile(join(own, name))));
    expect(first.readUInt32LE(8)).toBe(maskedCrc(first.subarray(0, 8)));
    expect(records(first)).toEqual([
      { wall_time: 1_700_000_000.251, file_version: 'brain.Event:2' },
      { wall_time: 1_700_000_000.252, step: 0, summary: { value: [{ tag: 'training/loss', simple_value: 0.75 }] } },
      {
        wall_time: 1_700_000_000.253,
        step: 300,
        summary: {
          value: [
            { tag: 'training/loss', simple_value: 0.5 },
            { tag: 'training/accuracy', simple_value: 1 },
          ],
        },
      },
    ]);
    expect(records(second)[1]).toMatchObject({ step: 301 });
  });

  it.skipIf(!hasPython('tensorboard'))("are read by TensorBoard's own loader (needs tensorboard)", async () => {
    const own = await write('by-tensorboard');
    const script = `
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
folder = json.load(sys.stdin)
events = EventAccumulator(folder)
events.Reload()
print(json.dumps({tag: [[e.step, e.value if e.value == e.value else None] for e in events.Scalars(tag)] for tag in events.Tags()['scalars']}))
`;
    const read = python<Record<string, [number, number | null][]>>(script, own, 'tensorboard');
    expect(read['training/accuracy']).toEqual([[300, 1]]);
    expect(read['training/loss']).toEqual([
      [0, 0.75],
      [300, 0.5],
      [301, null],
    ]);
  });
});
