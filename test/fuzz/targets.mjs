/** What is done with each format's inputs: what a command does with a file before anything is trained. Reads the build. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const built = (path) => import(new URL(`../../dist/${path}`, import.meta.url).href);

const ops = [
  'Conv',
  'Add',
  'Gemm',
  'Concat',
  'Reshape',
  'MaxPool',
  'ConstantOfShape',
  'Expand',
  'Tile',
  'Range',
  'Pad',
];

/** Taken for one: what is in it is not looked at. */
const PICTURE = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');

/** By format: words that mutations put in, and how a reader is made of a folder of its own. */
export const targets = {
  onnx: {
    protobuf: true,
    words: ops,
    async open() {
      const { readModel } = await built('onnx/read.js');
      const { importOnnx } = await built('models/import-onnx.js');
      return (bytes) => {
        const { parameters } = importOnnx(readModel(bytes), { outputs: 'possible' });
        for (const { shape, data } of parameters.values()) void [shape, data];
      };
    },
  },
  pb: {
    protobuf: true,
    async open() {
      const { readTensor } = await built('onnx/read.js');
      return (bytes) => void readTensor(bytes).data;
    },
  },
  npy: {
    words: ['<f4', '>i8', "'shape': (", 'True', '(99999999999,)', '|b1', '<U5', '), ', '\n'],
    async open() {
      const { parseNpy } = await built('data/npy.js');
      return (bytes) => void parseNpy(Uint8Array.from(bytes), 'x.npy');
    },
  },
  idx: {
    words: ['\0\0\x08\x03', '\x1f\x8b\x08', '\xff\xff\xff\xff'],
    async open(folder) {
      const { readIdx } = await built('data/idx.js');
      return (bytes) => readIdx(put(folder, 'x-idx3-ubyte', bytes));
    },
  },
  csv: {
    words: [
      '"',
      '""',
      ',',
      ';',
      '\t',
      '\r',
      '\n',
      '\r\n',
      '\ufeff',
      '\0',
      '\xff',
      '../',
      'C:\\',
      'sep=;\n',
      'label',
      'é',
    ],
    async open(folder) {
      const { loadCsv } = await built('data/csv.js');
      for (const name of ['a', 'b', 'c']) put(folder, `${name}.png`, PICTURE);
      return (bytes) => loadCsv(put(folder, 'table.csv', bytes));
    },
  },
  bmp: {
    words: ['BM', '\x28\0\0\0', '\xff\xff\xff\x7f', '\x10', '\x03\0\0\0'],
    async open() {
      const { decodeImage } = await built('data/pixels.js');
      return (bytes) => decodeImage(Uint8Array.from(bytes));
    },
    // What is wrong with a picture is an Error, which its reader puts beside its name.
    plainErrors: true,
  },
  images: {
    words: ['\xff\xd8', '\xff\xc2', 'IHDR', 'II*\0', 'RIFF', '\xff\xff\xff\x7f'],
    async open() {
      const { decodeImage } = await built('data/pixels.js');
      return (bytes) => decodeImage(Uint8Array.from(bytes));
    },
    plainErrors: true,
  },
  predictions: {
    words: ['"', '""', ',', ';', '\t', '\r', '\n', 'label', 'nan', '__proto__', 'constructor'],
    async open() {
      const { parsePredictions } = await built('statistics/table.js');
      return (bytes) => void parsePredictions(bytes.toString('latin1'), 'table.csv');
    },
  },
  xlsx: {
    words: ['PK\x03\x04', 'XFD1048576', '<row r="', '<c r="A', '</sheetData>', '<!ENTITY a "b">', '&a;', ']]>'],
    async open(folder) {
      const { loadPh2 } = await built('data/ph2.js');
      for (const number of [2, 3, 4]) put(folder, `IMD00${number}.png`, PICTURE);
      return (bytes) => {
        put(folder, 'PH2_dataset.xlsx', bytes);
        return loadPh2(folder, { allowCounts: true });
      };
    },
  },
  yaml: {
    words: [
      '*',
      '&a ',
      ': ',
      '- ',
      '[',
      ']',
      '{',
      '}',
      '!!js/function ',
      '|\n',
      '"',
      "'",
      '<<: ',
      '__proto__: ',
      '\t',
      '---\n',
    ],
    async open(folder) {
      const { readConfig } = await built('cli/config-file.js');
      const { optionSpecs } = await built('cli/options.js');
      const { registry } = await built('cli/registry.js');
      const { command } = await registry.find(({ name }) => name === 'sweep').load();
      const specs = optionSpecs(command.options);
      return (bytes) => readConfig(put(folder, 'c.yaml', bytes), specs);
    },
  },
  results: {
    words: ['null', '[]', '{}', '"', '-1', '1e308', 'true', '"__proto__":', ',', '\u0000', '[[', ']]'],
    async open(folder) {
      const { readGrid } = await built('report/read.js');
      const { terminalTable } = await built('report/terminal.js');
      const { resultsCsv } = await built('report/csv.js');
      return async (bytes) => {
        put(folder, 'results.json', bytes);
        const grid = await readGrid(folder);
        void [terminalTable(grid), resultsCsv(grid)];
      };
    },
  },
};

function put(folder, name, bytes) {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}
