/** Bounds on what compressed files may become: a few kilobytes can hold gigabytes of nothing. */
import { inflateRawSync } from 'node:zlib';
import { FrostlineError } from '../errors.ts';

/** Megabytes that one file may become, unless more is asked for. */
export const MOST_UNPACKED = 1024;

/** Cells of a sheet, up to the last row and column: the reader makes them all, the empty ones too. */
const MOST_CELLS = 1_000_000;

const LOCAL_HEADER = Buffer.from('PK\x03\x04');
const CENTRAL_HEADER = Buffer.from('PK\x01\x02');

/**
 * Refuses an Excel file that becomes too large, before it is read: the sizes that its directory declares, for which the
 * reader makes room, are added up; each entry is unpacked as far as is allowed; its sheets' last cells are looked for.
 * @throws FrostlineError that names the limit
 */
export function checkWorkbook(file: Buffer, name: string, maxUnpacked = MOST_UNPACKED): void {
  let left = maxUnpacked * 1e6;
  let declared = 0;
  for (let at = file.indexOf(CENTRAL_HEADER); at >= 0; at = file.indexOf(CENTRAL_HEADER, at + 4)) {
    if (at + 28 <= file.length) declared += file.readUInt32LE(at + 24);
  }
  if (declared > left) throw tooLarge(name, maxUnpacked);
  for (let at = file.indexOf(LOCAL_HEADER); at >= 0; at = file.indexOf(LOCAL_HEADER, at + 4)) {
    if (at + 30 > file.length) break;
    const method = file.readUInt16LE(at + 8);
    const start = at + 30 + file.readUInt16LE(at + 26) + file.readUInt16LE(at + 28);
    const text =
      method === 8
        ? inflate(file.subarray(start), left, name, maxUnpacked)
        : file.subarray(start, start + file.readUInt32LE(at + 18));
    left -= text.length;
    checkCells(text, name);
  }
}

function inflate(packed: Buffer, most: number, name: string, maxUnpacked: number): Buffer {
  try {
    return inflateRawSync(packed, { maxOutputLength: Math.max(1, Math.min(most, 2 ** 31)) });
  } catch (error) {
    // Anything else that is wrong with it its reader says.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_BUFFER_TOO_LARGE') return Buffer.alloc(0);
    throw tooLarge(name, maxUnpacked);
  }
}

const tooLarge = (name: string, maxUnpacked: number) =>
  new FrostlineError(
    `${name} unpacks to more than ${maxUnpacked} MB; --max-unpacked ${2 * maxUnpacked} allows twice as much`,
  );

function checkCells(sheet: Buffer, name: string): void {
  let rows = 0;
  let columns = 0;
  // In pieces that overlap: a sheet may be longer than a string can be.
  const piece = 2 ** 26;
  for (let from = 0; from < sheet.length; from += piece) {
    const text = sheet.toString('latin1', from, from + piece + 64);
    for (const [, , column, row] of text.matchAll(
      /\s(r|ref)\s*=\s*["'](?:[A-Z]{1,3}\d{1,7}:)?([A-Z]{1,3})(\d{1,7})["']/g,
    )) {
      rows = Math.max(rows, Number(row));
      columns = Math.max(columns, columnNumber(column));
    }
  }
  if (rows * columns <= MOST_CELLS) return;
  throw new FrostlineError(
    `${name} has cells down to row ${rows} and column ${columns}, more than the ${MOST_CELLS} that are read. ` +
      'Delete the empty rows and columns, or use the .txt file',
  );
}

const columnNumber = (letters: string): number =>
  [...letters].reduce((sum, letter) => 26 * sum + letter.charCodeAt(0) - 64, 0);
