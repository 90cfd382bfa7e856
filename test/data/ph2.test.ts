import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { classCounts } from '../../src/data/dataset.ts';
import { decodeImages } from '../../src/data/decode.ts';
import { loadDataset } from '../../src/data/load.ts';
import { bmp, lay, scratch, xlsx } from './tools.ts';

/** 200 cases with gaps in their numbers, as PH2 has them; the diagnoses stand in no order. */
const cases = Array.from({ length: 200 }, (_, i) => ({
  id: `IMD${String(2 + 2 * i).padStart(3, '0')}`,
  diagnosis: [0, 1, 0, 1, 2][i % 5],
}));
const melanomas = cases.filter(({ diagnosis }) => diagnosis === 2).length;

/** The table as published: a header, the rows, and a legend with bytes that are no UTF-8. */
function txt(rows = cases): Buffer {
  const lines = [
    '|| Name || Histological Diagnosis || Clinical Diagnosis || Asymmetry | Pigment Network | Dots/Globules | Streaks | Regression Areas | Blue-Whitish Veil || Colors ||',
    ...rows.map(
      ({ id, diagnosis }) =>
        `|| ${id} ||               ||         ${diagnosis}         ||  0 |  T | A | A | A | A ||  4  ||`,
    ),
    '',
    'Clinical Diagnosis: 0 - Common Nevus; 1 - Atypical Nevus; 2 - Melanoma.',
    'Mendon\xe7a || IMDxxx || 2',
  ];
  return Buffer.from(lines.join('\r\n'), 'latin1');
}

/** Each case's image is one colour, told by its number. */
const colourOf = (id: string) => [Number(id.slice(3)) % 256, 7, 9] as const;
const image = (id: string) => bmp(5, 3, () => colourOf(id));
const original = (id: string) => `PH2 Dataset images/${id}/${id}_Dermoscopic_Image/${id}.bmp`;
const mask = (id: string) => `PH2 Dataset images/${id}/${id}_lesion/${id}_lesion.bmp`;

const layout = (place: (id: string) => string, rows = cases) =>
  Object.fromEntries(rows.map(({ id }) => [place(id), image(id)]));

const published = () => ({
  'PH2_dataset.txt': txt(),
  ...layout(original),
  ...Object.fromEntries(cases.map(({ id }) => [mask(id), ''])),
});

describe('PH2', () => {
  it('reads the published layout: melanoma against the rest', async () => {
    const data = await loadDataset({ path: lay(scratch(), published()) });
    expect(data.notes[0]).toBe("format 'ph2': PH2_dataset.txt found");
    expect(melanomas).toBe(40);
    expect(data.classes).toEqual(['benign', 'melanoma']);
    expect(classCounts(data)).toEqual([160, 40]);
    expect(data.samples.map(({ id, label }) => [id, label])).toEqual(
      cases.map(({ id, diagnosis }) => [id, diagnosis === 2 ? 1 : 0]),
    );
    expect(data.ignored).toHaveLength(200);
    const { data: pixels } = await decodeImages(data, { height: 1, width: 1 });
    cases.forEach(({ id }, i) => void expect([...pixels.subarray(4 * i, 4 * i + 4)]).toEqual([...colourOf(id), 255]));
  });

  it('reads three classes', async () => {
    const data = await loadDataset({ path: lay(scratch(), published()), task: 'three-class' });
    expect(data.classes).toEqual(['common nevus', 'atypical nevus', 'melanoma']);
    expect(classCounts(data)).toEqual([80, 80, 40]);
  });

  it.each([
    ['renamed', (id: string) => `PH2_Dataset_images/${id}/${id}_Dermoscopic_Image/${id}.bmp`],
    ['"images"', (id: string) => `images/${id}.BMP`],
    ['flattened', (id: string) => `trainx/${id}.bmp`],
    ['converted, in small letters', (id: string) => `${id.toLowerCase()}.png`],
  ])('finds images in a mirror that is %s', async (_, place) => {
    const root = lay(scratch(), { 'PH2Dataset/PH2_dataset.txt': txt(), ...layout(place) });
    const data = await loadDataset({ path: root });
    expect(data.samples[3].source).toEqual({ file: join(root, place(cases[3].id)) });
    expect(classCounts(data)).toEqual([160, 40]);
  });

  it('tells masks of the same name apart by their folder', async () => {
    const masks = Object.fromEntries(cases.map(({ id }) => [`trainy/${id}.bmp`, '']));
    const root = lay(scratch(), { 'PH2_dataset.txt': txt(), ...layout((id) => `trainx/${id}.bmp`), ...masks });
    const data = await loadDataset({ path: root });
    expect(data.samples[0].source).toEqual({ file: join(root, 'trainx', `${cases[0].id}.bmp`) });
    const twice = lay(scratch(), { 'PH2_dataset.txt': txt(), ...layout(original), 'copy/IMD002.bmp': image('IMD002') });
    await expect(loadDataset({ path: twice })).rejects.toThrow(/IMD002: 2 images: .*copy\/IMD002.bmp/);
  });

  const sheet = (rows = cases) => [
    ...Array.from({ length: 12 }, (_, i) => (i === 1 ? ['', 'PH2 Dataset'] : [''])),
    ['Image Name', 'Histological Diagnosis', 'Common Nevus', 'Atypical Nevus', 'Melanoma', 'Asymmetry'],
    ...rows.map(({ id, diagnosis }) => [id, '', ...[0, 1, 2].map((code) => (code === diagnosis ? 'X' : '')), '0']),
  ];

  it('reads the diagnoses from Excel, and agrees with the text', async () => {
    const files = { ...layout(original), 'PH2_dataset.xlsx': xlsx(sheet()) };
    const root = lay(scratch(), files);
    const data = await loadDataset({ path: root });
    expect(data.notes[1]).toBe('diagnoses of PH2_dataset.xlsx');
    expect(data.samples.map(({ id, label }) => [id, label])).toEqual(
      cases.map(({ id, diagnosis }) => [id, diagnosis === 2 ? 1 : 0]),
    );
    lay(root, { 'PH2_dataset.xlsx': xlsx([...sheet(cases.slice(1)), ['IMD002', '', 'X', '', 'X']]) });
    await expect(loadDataset({ path: root })).rejects.toThrow(/IMD002: 2 diagnoses marked/);
    lay(root, { 'PH2_dataset.xlsx': 'no workbook' });
    await expect(loadDataset({ path: root })).rejects.toThrow(/no readable Excel file/);
  });

  it('refuses a sheet of more cells than it reads', async () => {
    const cell = '<row r="1048576"><c r="XFD1048576" t="inlineStr"><is><t>x</t></is></c></row>';
    const root = lay(scratch(), { 'PH2_dataset.xlsx': xlsx(sheet(), cell), ...layout(original) });
    await expect(loadDataset({ path: root })).rejects.toThrow(
      /cells down to row 1048576 and column 16384, more than the 1000000 that are read\. Delete the empty rows/,
    );
  });

  it('ends, whatever sizes a workbook declares', async () => {
    const root = lay(scratch(), layout(original));
    const sound = xlsx(sheet());
    /** Where records of a kind hold a number. */
    const places = (signature: string, offset: number) =>
      [...sound.toString('latin1').matchAll(new RegExp(signature, 'g'))].map(({ index }) => index + offset);
    const load = async (at: number, value: number) => {
      const changed = Buffer.from(sound);
      changed.writeUInt32LE(value, at);
      lay(root, { 'PH2_dataset.xlsx': changed });
      return await loadDataset({ path: root }).then(
        ({ samples }) => `${samples.length}`,
        ({ name, message }: Error) => `${name}: ${message}`,
      );
    };
    // Its directory is what is read; what stands before each entry only repeats it.
    for (const at of [...places('PK\x03\x04', 18), ...places('PK\x03\x04', 22)]) {
      for (const value of [0, 0x7fffffff, 0xffffffff]) expect(await load(at, value), `${at}: ${value}`).toBe('200');
    }
    for (const at of places('PK\x01\x02', 24))
      expect(await load(at, 0xfffffffe)).toMatch(/^FrostlineError: .*unpacks to more than 1024 MB/);
    for (const at of [...places('PK\x01\x02', 20), ...places('PK\x05\x06', 12), ...places('PK\x05\x06', 16)])
      expect(await load(at, 0x7fffffff)).toMatch(/^200$|^FrostlineError: /);
  });

  it('refuses a partial table unless told otherwise', async () => {
    const part = cases.slice(0, 50);
    const root = lay(scratch(), { 'PH2_dataset.txt': txt(part), ...layout(original, part) });
    await expect(loadDataset({ path: root })).rejects.toThrow(
      "20 / 20 / 10 cases (common / atypical / melanoma), expected PH2's 80 / 80 / 40",
    );
    expect(classCounts(await loadDataset({ path: root, allowCounts: true }))).toEqual([40, 10]);
  });

  it('names all missing images and unknown diagnoses', async () => {
    const root = lay(scratch(), published());
    rmSync(join(root, original('IMD004')));
    rmSync(join(root, original('IMD400')));
    await expect(loadDataset({ path: root })).rejects.toThrow(
      /2 of 200 cases[\s\S]*IMD004: no image[\s\S]*IMD400: no image/,
    );
    lay(root, { 'PH2_dataset.txt': txt([...cases.slice(1), { id: 'IMD002', diagnosis: 7 }]) });
    await expect(loadDataset({ path: root })).rejects.toThrow(/IMD002 has the clinical diagnosis '7'/);
    lay(root, { 'PH2_dataset.txt': txt([...cases.slice(1), cases[1]]) });
    await expect(loadDataset({ path: root })).rejects.toThrow(/IMD004 stands twice/);
  });
});
