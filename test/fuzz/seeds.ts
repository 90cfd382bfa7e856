/** Small sound files of every format, from which the fuzzer draws. */
import fs from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { formatNpy } from '../../src/data/npy.ts';
import { exportOnnx } from '../../src/models/export-onnx.ts';
import { alexnetSmall } from '../../src/models/tables.ts';
import { OnnxTensor } from '../../src/onnx/tensor.ts';
import { writeModel, writeTensor } from '../../src/onnx/write.ts';
import { bmp, xlsx } from '../data/tools.ts';
import { callingFunctions } from '../models/function-graphs.ts';
import { float, GraphBuilder, int, ints } from '../models/zoo-graphs.ts';
import { sampleGrid } from '../report/grid.ts';

const graph = (
  build: (g: GraphBuilder) => void,
  dims: (number | string)[] = ['N', 3, 6, 6],
  opset = 17,
): Uint8Array => {
  const g = new GraphBuilder();
  build(g);
  return writeModel(g.model(opset, { name: 'x', dims }, 'y'));
};

function models(): Uint8Array[] {
  return [
    writeModel(exportOnnx(alexnetSmall({ classes: ['a', 'b'], filters: [2, 2, 2, 2, 2], hidden: 3 }))),
    graph((g) => {
      const y = g.node('Conv', ['x', g.weight('w', 4, 3, 3, 3)], 'c', { pads: ints(1, 1, 1, 1) });
      const n = g.node(
        'BatchNormalization',
        [y, ...['s', 'b', 'm', 'v'].map((name) => g.floats(name, [4], [1, 1, 1, 1]))],
        'n',
      );
      const p = g.node('MaxPool', [g.node('Relu', [n], 'r')], 'p', { kernel_shape: ints(2, 2), strides: ints(2, 2) });
      const shape = g.node('Gather', [g.node('Shape', [p], 'shape'), g.integers('zero', 0)], 'n0', { axis: int(0) });
      const to = g.node('Concat', [shape, g.integers('rest', -1)], 'to', { axis: int(0) });
      g.node('Softmax', [g.node('Gemm', [g.node('Reshape', [p, to], 'flat'), g.weight('fc', 36, 2)], 'g')], 'y', {
        axis: int(1),
      });
    }),
    graph((g) => {
      const filled = g.node('ConstantOfShape', [g.integers('to', 1, 3, 1, 1)], 'filled');
      const wide = g.node(
        'Expand',
        [
          g.node(
            'Range',
            ['zero', 'three', 'one'].map((name, i) => g.floats(name, [], [[0, 3, 1][i]])),
            'range',
          ),
          g.integers('wide', 2, 3),
        ],
        'e',
      );
      const tiled = g.node('Tile', [wide, g.integers('by', 3, 1)], 'tiled');
      const part = g.node('Slice', [tiled, g.integers('from', 0), g.integers('until', 1)], 'part');
      const image = g.node('Unsqueeze', [g.node('Transpose', [part], 'turned'), g.integers('axes', 0, 3)], 'image');
      const sum = g.node('Add', [g.node('MatMul', [filled, g.floats('m', [1, 1], [2])], 'product'), image], 'sum');
      const padded = g.node('Pad', ['x', g.integers('pads', 0, 0, 1, 1, 0, 0, 1, 1)], 'padded', {
        mode: { type: 'string', value: 'reflect' },
      });
      g.node('ReduceMean', [g.node('Sub', [padded, sum], 'less')], 'y', { axes: ints(2, 3), keepdims: int(0) });
    }),
    graph(
      (g) => {
        const t = g.node('Transpose', ['x'], 't', { perm: ints(0, 3, 1, 2) });
        const l = g.node('LRN', [t], 'l', { size: int(3), alpha: float(0.1) });
        const d = g.node('AveragePool', [g.node('Dropout', [l], 'd')], 'a', {
          kernel_shape: ints(2, 2),
          pads: ints(1, 1, 1, 1),
        });
        g.node('Flatten', [g.node('Clip', [d], 'c', { min: float(0), max: float(6) })], 'y', { axis: int(1) });
      },
      ['N', 5, 6, 3],
      9,
    ),
    callingFunctions(),
  ];
}

const tensors = (): Uint8Array[] => [
  writeTensor(OnnxTensor.of('t', [2, 3], 'float32', Float32Array.of(1, 2, 3, 4, 5, 6))),
  writeTensor(OnnxTensor.of('i', [3], 'int64', BigInt64Array.of(1n, -2n, 3n))),
  writeTensor(OnnxTensor.of('h', [4], 'float16', Uint16Array.of(0, 1, 2, 3))),
  writeTensor(OnnxTensor.of('b', [], 'bool', Uint8Array.of(1))),
];

function idx(shape: readonly number[]): Buffer {
  const head = Buffer.alloc(4 + 4 * shape.length);
  head.set([0, 0, 8, shape.length]);
  for (const [i, size] of shape.entries()) head.writeUInt32BE(size, 4 + 4 * i);
  return Buffer.concat([
    head,
    Buffer.alloc(
      shape.reduce((a, b) => a * b, 1),
      7,
    ),
  ]);
}

const sheet = [
  ['PH2', ''],
  ['Image Name', 'Histological Diagnosis', 'Common Nevus', 'Atypical Nevus', 'Melanoma'],
  ['IMD002', '', 'X', '', ''],
  ['IMD003', '', '', 'X', ''],
  ['IMD004', '', '', '', 'X'],
];

const colour = (x: number, y: number) => [x * 40, y * 40, 10] as const;

/** What sharp decodes. */
async function pictures(): Promise<Uint8Array[]> {
  const data = Uint8Array.from({ length: 8 * 6 * 3 }, (_, i) => (37 * i) % 256);
  const picture = () => sharp(data, { raw: { width: 8, height: 6, channels: 3 } });
  return await Promise.all([
    picture().jpeg().toBuffer(),
    picture().jpeg({ progressive: true }).withMetadata({ orientation: 6 }).toBuffer(),
    picture().png().toBuffer(),
    picture().png({ palette: true }).toBuffer(),
    picture().webp().toBuffer(),
    picture().tiff({ compression: 'lzw' }).toBuffer(),
    picture().tiff({ compression: 'none' }).toBuffer(),
  ]);
}

/** Files by format. */
export async function seedFiles(): Promise<Record<string, readonly (Uint8Array | string)[]>> {
  return {
    onnx: models(),
    pb: tensors(),
    npy: [
      formatNpy({ type: 'f4', shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }),
      formatNpy({ type: 'u1', shape: [2, 2, 2, 1], data: new Uint8Array(8) }),
      formatNpy({ type: 'i8', shape: [3], data: BigInt64Array.of(1n, 2n, 3n) }),
    ],
    idx: [idx([2, 3, 3]), idx([5]), gzipSync(idx([4, 2, 2]))],
    csv: [
      'path,label\na.png,cat\nb.png,dog\nc.png,cat\n',
      '"path";"label"\r\n"a.png";"c ""t"""\r\n"b.png";"dog"\r\n',
      'Path\tLabel\na.png\tcat\n./b.png\tdog\n.\\c.png\tdog\n',
      'path,MEL,NV,BCC\na,1.0,0.0,0.0\nb,0.0,1.0,0.0\nc,0.0,0.0,1.0\n',
      'path,label,group\nD:\\data\\a.png,cat,p1\nD:\\data\\b.png,dog,p2\n,,\n',
      '\ufeffsep=;\npath;label\na.png;cat\nb.png;dog\n',
    ],
    predictions: [
      'point,split,seed,image,label,predicted\nnone,1,1,a,cat,cat\nnone,1,1,b,dog,cat\nall,1,1,a,cat,dog\nall,1,1,b,dog,dog\n',
      'point,split,seed,image,label,predicted,group,p_cat,p_dog\nx,1,1,a,cat,cat,g,0.75,0.25\nx,1,1,b,dog,cat,h,0.5,0.5\n',
    ],
    bmp: [
      bmp(5, 4, colour),
      bmp(6, 3, colour, { bits: 8 }),
      bmp(3, 3, colour, { bits: 32, topDown: true, headerSize: 108 }),
    ],
    images: await pictures(),
    xlsx: [xlsx(sheet), xlsx(sheet.slice(1))],
    yaml: [
      'model: a.onnx\ndata: images\nepochs: 6\nfreeze: [none, conv3, all]\nlearning-rates: [0.001, 1e-4]\nout: runs/a\n',
      '{"model": "a.onnx", "batchSize": 32, "momentum": 0.9, "splits": 3, "dryRun": true}\n',
      "# a grid\nmodel: 'a b.onnx'\nexclude: &no [x, '*.y']\nclass-names: *no\nseed: 7\ntitle: |\n  text\n",
    ],
    results: [JSON.stringify(sampleGrid()), JSON.stringify(sampleGrid(), undefined, 1)],
  };
}

/** Writes them below a folder: FORMAT/N. */
export async function writeSeeds(folder: string): Promise<string[]> {
  const all = await seedFiles();
  for (const [format, files] of Object.entries(all)) {
    fs.mkdirSync(path.join(folder, format), { recursive: true });
    for (const [i, file] of files.entries()) fs.writeFileSync(path.join(folder, format, `${i}`), file);
  }
  return Object.keys(all);
}
