import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';
import { onTestFinished } from 'vitest';
import type { ImageDataset } from '../../src/data/dataset.ts';

/** A folder that goes with the test. */
export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'frostline-data-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes files below a folder, by their relative names. */
export function lay(root: string, files: Record<string, string | Uint8Array>): string {
  for (const [name, content] of Object.entries(files)) {
    const path = join(root, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }
  return root;
}

/** Runs a Python program; its arguments arrive as sys.argv[1:]. */
export const python = (program: string, ...args: string[]): string =>
  execFileSync('/usr/bin/python3', ['-c', program, ...args], { encoding: 'utf8' });

/** Whether Python has these modules. */
export function hasPython(...modules: string[]): boolean {
  try {
    execFileSync('/usr/bin/python3', ['-c', `import ${modules.join(', ')}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** A data set of empty samples, a class for each count. */
export function bareDataset(
  counts: Record<string, number>,
  groupOf?: (id: string) => string | undefined,
): ImageDataset {
  const classes = Object.keys(counts);
  const samples = classes.flatMap((name, label) =>
    Array.from({ length: counts[name] }, (_, i) => {
      const id = `${name}-${i}`;
      const group = groupOf?.(id);
      return { id, label, ...(group !== undefined && { group }), source: { file: id } };
    }),
  );
  return { name: 'bare', path: 'bare', format: 'folder', classes, samples, ignored: [], notes: [] };
}

type Colour = readonly [red: number, green: number, blue: number];

/** An uncompressed BMP, written from the format's description. `gap` bytes stand between header and pixels. */
export function bmp(
  width: number,
  height: number,
  colourAt: (x: number, y: number) => Colour,
  { bits = 24 as 8 | 24 | 32, topDown = false, gap = 0, headerSize = 40 } = {},
): Buffer {
  const colours: Colour[] = [];
  const palette = bits === 8 ? 256 * 4 : 0;
  const rowBytes = Math.ceil((width * bits) / 32) * 4;
  const at = 14 + headerSize + palette + gap;
  const file = Buffer.alloc(at + rowBytes * height, 0);
  file.fill(0xab, 14 + headerSize + palette, at);
  file.write('BM');
  file.writeUInt32LE(file.length, 2);
  file.writeUInt32LE(at, 10);
  file.writeUInt32LE(headerSize, 14);
  file.writeInt32LE(width, 18);
  file.writeInt32LE(topDown ? -height : height, 22);
  file.writeUInt16LE(1, 26);
  file.writeUInt16LE(bits, 28);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const colour = colourAt(x, y);
      const row = at + rowBytes * (topDown ? y : height - 1 - y);
      if (bits === 8) {
        let index = colours.findIndex((known) => known.join() === colour.join());
        if (index < 0) index = colours.push(colour) - 1;
        file[row + x] = index;
      } else file.set([colour[2], colour[1], colour[0]], row + (x * bits) / 8);
    }
  }
  colours.forEach(([r, g, b], i) => void file.set([b, g, r, 0], 14 + headerSize + 4 * i));
  return file;
}

/** A ZIP of deflated entries: enough for an Excel file. */
function zip(entries: Record<string, string>): Buffer {
  const local: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const [name, text] of Object.entries(entries)) {
    const raw = Buffer.from(text);
    const packed = deflateRawSync(raw);
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(8, 4);
    fields.writeUInt32LE(crc32(raw), 10);
    fields.writeUInt32LE(packed.length, 14);
    fields.writeUInt32LE(raw.length, 18);
    fields.writeUInt16LE(name.length, 22);
    const head = Buffer.concat([Buffer.from('PK\x03\x04'), fields, Buffer.from(name)]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    central.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00'), fields, tail, Buffer.from(name)]));
    local.push(head, packed);
    offset += head.length + packed.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(central.length, 8);
  end.writeUInt16LE(central.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...local, directory, end]);
}

/** A workbook of one sheet of text cells, as Excel writes it; `more` are further rows, written out. */
export function xlsx(rows: readonly (readonly string[])[], more = ''): Buffer {
  const escaped = (text: string) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;');
  const column = (c: number) => String.fromCharCode(65 + c);
  const sheet = rows
    .map((row, r) => {
      const cells = row.map((text, c) =>
        text === '' ? '' : `<c r="${column(c)}${r + 1}" t="inlineStr"><is><t>${escaped(text)}</t></is></c>`,
      );
      return `<row r="${r + 1}">${cells.join('')}</row>`;
    })
    .join('');
  const head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>';
  const main = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main';
  const office = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships';
  const packages = 'http://schemas.openxmlformats.org/package/2006';
  const type = 'application/vnd.openxmlformats-officedocument.spreadsheetml';
  return zip({
    '[Content_Types].xml': `${head}<Types xmlns="${packages}/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="${type}.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="${type}.worksheet+xml"/></Types>`,
    '_rels/.rels': `${head}<Relationships xmlns="${packages}/relationships"><Relationship Id="rId1" Type="${office}/officeDocument" Target="xl/workbook.xml"/></Relationships>`,
    'xl/workbook.xml': `${head}<workbook xmlns="${main}" xmlns:r="${office}"><sheets><sheet name="PH2" sheetId="1" r:id="rId1"/></sheets></workbook>`,
    'xl/_rels/workbook.xml.rels': `${head}<Relationships xmlns="${packages}/relationships"><Relationship Id="rId1" Type="${office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>`,
    'xl/worksheets/sheet1.xml': `${head}<worksheet xmlns="${main}"><sheetData>${sheet}${more}</sheetData></worksheet>`,
  });
}
