import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadTensors } from '../../src/data/arrays.ts';
import { decodeImages } from '../../src/data/decode.ts';
import { loadDataset } from '../../src/data/load.ts';
import { type NpyArray, parseNpy, readNpy, writeNpy } from '../../src/data/npy.ts';
import { hasPython, lay, python, scratch } from './tools.ts';

const values = (data: ArrayLike<number | bigint>): number[] => Array.from(data, Number);
const npy = (header: string, data: Uint8Array = new Uint8Array(), version = 1): Uint8Array<ArrayBuffer> => {
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  length.writeUIntLE(header.length, 0, length.length);
  return new Uint8Array(
    Buffer.concat([
      Buffer.from([0x93]),
      Buffer.from(`NUMPY`),
      Buffer.from([version, 0]),
      length,
      Buffer.from(header),
      data,
    ]),
  );
};

describe('.npy', () => {
  it('reads a header of either version, aligned or not', () => {
    const header = "{'descr': '<i2', 'fortran_order': False, 'shape': (3,), }\n";
    for (const version of [1, 2, 3]) {
      for (const pad of [0, 1]) {
        const bytes = npy(header + ' '.repeat(pad), new Uint8Array([1, 0, 255, 255, 0, 1]), version);
        // A Buffer may lie anywhere in a larger one.
        for (const given of [bytes, Buffer.concat([Buffer.alloc(3), bytes]).subarray(3)]) {
          const array = parseNpy(given as Uint8Array<ArrayBuffer>, 'x.npy');
          expect([array.type, array.shape, values(array.data)]).toEqual(['i2', [3], [1, -1, 256]]);
        }
      }
    }
  });

  it('refuses what it cannot read, by name', () => {
    const header = (descr: string, shape = '(2,)') =>
      `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }\n`;
    expect(() => parseNpy(npy(header('>f4'), new Uint8Array(8)), 'x.npy')).toThrow(/x.npy holds values of type '>f4'/);
    expect(() => parseNpy(npy(header('<f2'), new Uint8Array(4)), 'x.npy')).toThrow(/type '<f2'/);
    expect(() => parseNpy(npy(header('|O')), 'x.npy')).toThrow(/type '\|O'/);
    expect(() => parseNpy(npy(header('<f4'), new Uint8Array(7)), 'x.npy')).toThrow(/holds 7 bytes.* takes 8/);
    expect(() => parseNpy(npy(header('<f4')).subarray(0, 30), 'x.npy')).toThrow(/ends within its header/);
    expect(() => parseNpy(npy("{'descr': [('a', '<f4')], }"), 'x.npy')).toThrow(/expected one type/);
    expect(() => parseNpy(new Uint8Array(Buffer.from('PK\x03\x04 an npz file')), 'x.npz')).toThrow(
      /does not begin with/,
    );
  });

  const types = ['f4', 'f8', 'i1', 'u1', 'i2', 'u2', 'i4', 'u4', 'i8', 'b1'] as const;

  it.skipIf(!hasPython('numpy'))(
    'reads what numpy writes: every type, both orders, shapes of 0 to 4 dimensions',
    async () => {
      const folder = scratch();
      const program = `
import sys, numpy as np
for t in sys.argv[2:]:
    x = (np.arange(2 * 3 * 5 * 7) * 37 % 101 - (50 if t[0] in 'fi' else 0)).reshape(2, 3, 5, 7)
    x = (x % 2 if t == 'b1' else x).astype('?' if t == 'b1' else '<' + t)
    np.save(f'{sys.argv[1]}/{t}.npy', x)
    np.save(f'{sys.argv[1]}/{t}-fortran.npy', np.asfortranarray(x))
    np.save(f'{sys.argv[1]}/{t}-scalar.npy', x[1, 2, 3, 4])
    np.save(f'{sys.argv[1]}/{t}-empty.npy', x[:0])`;
      python(program, folder, ...types);
      for (const type of types) {
        const expected = Array.from({ length: 210 }, (_, i) => {
          const value = ((i * 37) % 101) - (/[fi]/.test(type) ? 50 : 0);
          return type === 'b1' ? value % 2 : value;
        });
        for (const order of ['', '-fortran']) {
          const array = await readNpy(join(folder, `${type}${order}.npy`));
          expect(array.type).toBe(type);
          expect(array.shape).toEqual([2, 3, 5, 7]);
          expect(values(array.data), `${type}${order}`).toEqual(expected);
        }
        const scalar = await readNpy(join(folder, `${type}-scalar.npy`));
        expect([scalar.shape, values(scalar.data)]).toEqual([[], [expected[1 * 105 + 2 * 35 + 3 * 7 + 4]]]);
        expect((await readNpy(join(folder, `${type}-empty.npy`))).shape).toEqual([0, 3, 5, 7]);
      }
    },
  );

  it.skipIf(!hasPython('numpy'))('writes what numpy reads', async () => {
    const folder = scratch();
    const arrays: NpyArray[] = [
      { type: 'f4', shape: [2, 3], data: new Float32Array([1.5, -2, 3, 4, 5, 6]) },
      { type: 'f8', shape: [], data: new Float64Array([0.1]) },
      { type: 'i8', shape: [3], data: new BigInt64Array([1n, -2n, 2n ** 40n]) },
      { type: 'u1', shape: [0, 4], data: new Uint8Array(0) },
      { type: 'b1', shape: [2], data: new Uint8Array([0, 1]) },
    ];
    for (const array of arrays) await writeNpy(join(folder, `${array.type}.npy`), array);
    const program = `
import sys, json, numpy as np
for t in sys.argv[2:]:
    x = np.load(f'{sys.argv[1]}/{t}.npy'); print(json.dumps([x.dtype.str, list(x.shape), np.ravel(x).astype(float).tolist()]))`;
    const read = python(program, folder, ...arrays.map(({ type }) => type));
    expect(
      read
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      ['<f4', [2, 3], [1.5, -2, 3, 4, 5, 6]],
      ['<f8', [], [0.1]],
      ['<i8', [3], [1, -2, 2 ** 40]],
      ['|u1', [0, 4], []],
      ['|b1', [2], [0, 1]],
    ]);
    // The values begin at a multiple of 64, as numpy has it.
    expect(readFileSync(join(folder, 'f4.npy')).length % 64).toBe(24);
  });

  it('refuses to write types that there are not, and values of another', async () => {
    const write = (type: string, data: object) => writeNpy('x.npy', { type, shape: [1], data } as NpyArray);
    await expect(write('f32', new Float32Array(1))).rejects.toThrow(
      /x\.npy: there is no type 'f32'\. Use one of b1, .*f4/,
    );
    await expect(write('f4', new Float64Array(1))).rejects.toThrow(/type 'f4' are a Float32Array; found Float64Array/);
  });

  it('refuses to write values that do not fill the shape, and leaves nothing behind', async () => {
    const path = join(scratch(), 'x.npy');
    await expect(writeNpy(path, { type: 'u1', shape: [3], data: new Uint8Array(2) })).rejects.toThrow(
      /takes 3 values, found 2/,
    );
    await expect(readNpy(path)).rejects.toThrow(/ENOENT/);
  });
});

describe('arrays as a data set', () => {
  const save = async (folder: string, x: NpyArray, y: NpyArray) => {
    await writeNpy(join(folder, 'X.npy'), x);
    await writeNpy(join(folder, 'Y.npy'), y);
    return folder;
  };

  it.each([
    [1, [2, 1, 2], [5, 6, 7, 8], [5, 5, 5, 255, 6, 6, 6, 255, 7, 7, 7, 255, 8, 8, 8, 255]],
    [3, [1, 1, 2, 3], [1, 2, 3, 4, 5, 6], [1, 2, 3, 255, 4, 5, 6, 255]],
    [4, [1, 1, 1, 4], [100, 50, 20, 51], [20, 10, 4, 255]],
  ])('reads %i channels', async (_, shape, data, expected) => {
    const labels = new BigInt64Array(shape[0]).fill(1n);
    const folder = await save(
      scratch(),
      { type: 'u1', shape, data: Uint8Array.from(data) },
      { type: 'i8', shape: [shape[0], 1], data: labels },
    );
    const dataset = await loadDataset({ path: folder, classNames: ['no', 'yes'] });
    expect([dataset.format, dataset.classes, dataset.samples[0].label]).toEqual(['npy', ['no', 'yes'], 1]);
    const { data: pixels } = await decodeImages(dataset, { height: shape[1], width: shape[2] });
    expect([...pixels]).toEqual(expected);
  });

  it('refuses other types and shapes', async () => {
    const folder = await save(
      scratch(),
      { type: 'f4', shape: [1, 1, 1], data: new Float32Array(1) },
      { type: 'u1', shape: [1], data: new Uint8Array(1) },
    );
    await expect(loadDataset({ path: folder })).rejects.toThrow(/is f4 of shape 1 x 1 x 1; expected images of type u1/);
  });

  it('reads raw tensors as they are', async () => {
    const data = Float32Array.from({ length: 2 * 3 * 1 * 2 }, (_, i) => i - 0.5);
    const folder = await save(
      scratch(),
      { type: 'f4', shape: [2, 3, 1, 2], data },
      { type: 'i4', shape: [2], data: Int32Array.of(2, 0) },
    );
    const [x, y] = [join(folder, 'X.npy'), join(folder, 'Y.npy')];
    const tensors = await loadTensors(x, y);
    expect(tensors).toEqual({
      count: 2,
      channels: 3,
      height: 1,
      width: 2,
      data,
      labels: Uint32Array.of(2, 0),
      classes: 3,
    });
    await writeNpy(y, { type: 'i4', shape: [2], data: Int32Array.of(2, -1) });
    await expect(loadTensors(x, y)).rejects.toThrow(/label -1 at index 1/);
    await writeNpy(y, { type: 'f4', shape: [2], data: Float32Array.of(0, 1) });
    await expect(loadTensors(x, y)).rejects.toThrow(/expected integers/);
    data[7] = Number.NaN;
    await writeNpy(x, { type: 'f4', shape: [2, 3, 1, 2], data });
    await expect(loadTensors(x, y)).rejects.toThrow(/holds NaN in image 1/);
    await writeNpy(x, { type: 'f4', shape: [2, 6], data });
    await expect(loadTensors(x, y)).rejects.toThrow(/expected f4 \(float32\) of shape N x C x H x W/);
  });

  it('says which file is missing', async () => {
    const folder = lay(scratch(), { 'X.npy': '' });
    await expect(loadDataset({ path: folder, format: 'npy' })).rejects.toThrow(/no Y.npy or labels.npy/);
  });
});
